"""The segment language: how conditions are written, read, kept counters for, and evaluated."""
