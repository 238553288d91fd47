"""Deliveries that were given up, and taking them up again."""
