"""Faults under load, and a checker that knows what was sent: `make chaos`."""
