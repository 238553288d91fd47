"""When a message goes, or why it does not: timing, quiet hours, caps and priorities."""
