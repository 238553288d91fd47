"""The event log: append-only, sealed, with dense offsets; the only truth the platform has."""
