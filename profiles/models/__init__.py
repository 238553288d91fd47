"""Models as people define them, and what was learned each time one was fitted."""
