"""Garbage is collected where it was made: a connection that nobody closed is that test's error.

But for what aiokafka does not close itself: connections of tasks that ended while they connected.
"""

from __future__ import annotations

import gc
import warnings

_NOT_OURS = ("Unclosed AIOKafkaConnection", "unclosed <StreamWriter")


def swept() -> None:
    """Collect it now."""
    with warnings.catch_warnings():
        for message in _NOT_OURS:
            warnings.filterwarnings("ignore", message, ResourceWarning)
        gc.collect()
