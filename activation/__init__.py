"""Handing audiences over: destinations, the delivery ledger, connectors."""
