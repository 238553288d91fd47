"""Computed traits that destinations subscribe to, told again when they have changed."""
