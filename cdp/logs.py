"""Logging: one line per event, to stderr, without personal data.

Our own words are chosen with care. What Python and libraries say may quote a value, and values are
people's: of an exception its type and where it was raised are told, of a library's message only
what is the same every time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias, cast

import structlog

from cdp.errors import CdpError

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

_CHATTY = ("faust", "mode", "aiokafka", "apscheduler", "alembic", "httpx")
_PLAIN_SPOKEN: Final = ("uvicorn", "opentelemetry")  # their words are of servers and their errors
_SAFE = (CdpError, OSError)  # what these say is of the platform and of the machine

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]


class _Tolerant:
    """A stream that may fail: on a full disk a line is lost, not what the line is about."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def configure(level: str, process: str) -> None:
    """Set up structlog, and let the libraries underneath say little; `process` is which this is."""
    shared, stream = _shared(process), cast(TextIO, _Tolerant(sys.stderr))
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_spoken, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.ERROR)
    sys.excepthook = _last_words
    threading.excepthook = lambda died: _last_words(
        died.exc_type, died.exc_value or died.exc_type(), died.exc_traceback
    )


def tells_the_end(error: CdpError) -> bool:
    """Log what ends this process, if it is one that logs for programs."""
    if not structlog.is_configured() or sys.stderr.isatty():
        return False
    structlog.get_logger(__name__).error("ended", error=str(error))
    return True


def _shared(process: str) -> list[Processor]:
    def named(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event.update(process=process, pid=os.getpid())
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        structlog.processors.ExceptionRenderer(without_values),
    ]


def without_values(exc_info: ExcInfo) -> str:
    """An exception and what it came of, without what it says: frames, types, SQL states."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
        parts.append(f"{frames}{_told(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich came of\n".join(parts)


def _told(error: BaseException) -> str:
    if isinstance(error, _SAFE):
        return f"{type(error).__name__}: {error}"
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return type(error).__name__ + (f" {state}" if state else "")


def _spoken(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A library's message: its first line as it stands in the code, without what was put in."""
    record: logging.LogRecord = event["_record"]
    words = event["event"] if record.name.startswith(_PLAIN_SPOKEN) else str(record.msg)
    if isinstance(record.msg, BaseException):
        words = _told(record.msg)
    event.update(event=words.strip().partition("\n")[0], logger=record.name)
    return event


def _last_words(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """What ends a process, or a thread of it."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger(__name__).error("died", exc_info=(kind, error, trace))
