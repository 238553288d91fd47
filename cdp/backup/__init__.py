"""Takes an instance's log and what else is true of it to files, back again, and into others."""
