"""Identifiers of which nothing is stored any more: kept as keyed hashes, obeyed by the log."""
