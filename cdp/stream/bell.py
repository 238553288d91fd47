"""Tells which topics grew: by NOTIFY, and every so often all of them, for it may be lost."""

from __future__ import annotations

import asyncio
import time

import psycopg
import structlog

from cdp.db import Database
from cdp.errors import StoreUnavailable
from cdp.events import TOPICS

CHANNEL = "cdp"  # NOTIFY payload: the topic that grew
POLL_SECONDS = 0.25
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Bell:
    """Rings when somebody appended."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rung = asyncio.Event()
        self._grown: set[str] = set()
        self._polled = float("-inf")
        self._listener: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen. Does nothing when it does already."""
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
            self._listener = None

    async def wait(self, timeout: float) -> set[str]:
        """The topics that grew."""
        try:
            async with asyncio.timeout(min(timeout, POLL_SECONDS)):
                await self._rung.wait()
        except TimeoutError:
            pass
        self._rung.clear()
        grown, self._grown = self._grown, set()
        if time.monotonic() - self._polled >= POLL_SECONDS:
            self._polled = time.monotonic()
            grown.update(TOPICS)
        return grown

    def ring(self) -> None:
        """Make `wait` return."""
        self._rung.set()

    async def _listen(self) -> None:
        """Ring on every notification; when the connection is lost, polling carries on."""
        while True:
            try:
                async with self._database.driver() as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    async for note in connection.notifies():
                        self._grown.add(note.payload)
                        self._rung.set()
            except (StoreUnavailable, psycopg.Error, OSError) as error:
                log.info("listen_lost", error=type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)
