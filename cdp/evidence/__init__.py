"""Proof of consent from the log: its chain, what held at a time, and receipts to hand out."""
