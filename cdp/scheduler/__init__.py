"""What happens by the clock and in the background, done by one process at a time."""
