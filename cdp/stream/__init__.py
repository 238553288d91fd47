"""Streams: Faust agents over a transport that reads the log, in chunks, checkpointed with state."""
