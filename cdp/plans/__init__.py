"""Tracking plans: what each source may send, and what happens to an event that is not so."""
