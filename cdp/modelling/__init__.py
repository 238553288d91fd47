"""Models at work: people are gathered, a process learns, and what it says of people is told."""
