"""The process that learns: a lesson comes in, what was learned goes out, and all memory with it.

It knows neither database nor keys.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

import msgspec

from profiles.learning import protocol
from profiles.learning.protocol import Fitted, Lesson, Unlearnable

MISSING = "models are learned with scikit-learn, which is not installed: pip install 'cdp[models]'"


class Outcome(msgspec.Struct):
    """What was learned, or why nothing could be."""

    fitted: Fitted | None = None
    error: str = ""


def main(come: BinaryIO, go: BinaryIO) -> None:
    """One lesson."""
    lesson = msgspec.msgpack.decode(come.read(), type=Lesson)
    go.write(msgspec.msgpack.encode(_learned(lesson)))
    go.flush()


def _learned(lesson: Lesson) -> Outcome:
    try:
        return Outcome(protocol.fit(lesson))
    except Unlearnable as error:
        return Outcome(error=str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {"sklearn", "scipy", "numpy"}:
            raise
        return Outcome(error=MISSING)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
