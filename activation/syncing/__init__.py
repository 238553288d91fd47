"""Bringing a destination to how things are: at first, and whenever somebody asks for it."""
