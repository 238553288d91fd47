"""Campaigns: what is sent to whom because of what, step by step, and what came of it."""
