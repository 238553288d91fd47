"""What tasks that were cancelled while they connected leave to the garbage collector.

Neither aiokafka nor SQLAlchemy closes a connection that is not finished yet. Collected at a time of
its own, it would be blamed on another test, or count as an open session in the database.
"""

from __future__ import annotations

import gc
import warnings


def swept() -> None:
    """Close them now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
