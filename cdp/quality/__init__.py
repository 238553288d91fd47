"""Data quality: what was received of each event, hour by hour, and what is odd about it."""
