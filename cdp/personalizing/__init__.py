"""Decides what a visitor of a web page sees, from who they are and what they agreed to."""
