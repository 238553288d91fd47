"""One chunk, one transaction: claim, handle, emit, advance. Failures: retried, parked or loud."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
from sqlalchemy.exc import DataError, SQLAlchemyError

from cdp import times
from cdp.db import Connection, Database, named
from cdp.errors import CdpError, StoreUnavailable, Unreadable
from cdp.events import EVENTS, Instant
from cdp.log import store
from cdp.log.store import Message, Record
from cdp.stream import checkpoints
from cdp.stream.broker import Chunk

_RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)

_PARK = named(
    """
    insert into parked (topic, partition, "offset", key, value, error)
    values (:topic, :partition, :offset, :key, :value, :error)
    on conflict (topic, partition, "offset") do update set error = excluded.error, at = now()
    """
)

log = structlog.get_logger(__name__)


FollowUp: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Unit:
    """What a handler works in: one transaction, one instant, what follows from it."""

    connection: Connection
    now: Instant
    messages: list[Message] = field(default_factory=list)
    after_commit: list[FollowUp] = field(default_factory=list)

    def emit(self, topic: str, key: bytes, value: bytes = b"") -> None:
        """Put a record on an internal topic, with this transaction."""
        self.messages.append(Message(topic, key, value))


Handle: TypeAlias = Callable[[Unit, list[Record]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stage:
    """An agent's work on its topic; `most` is how many records it likes to be handed at once."""

    topic: str
    handle: Handle
    database: Database
    partitions: int
    most: int

    async def run(self, chunk: Chunk) -> None:
        """Handle a chunk exactly once; returns when its effects are durable.

        Transient failures are tried again for as long as they last. A failure that is not
        the store's is narrowed down to the record that causes it, which is parked with its error;
        its neighbours go through. What is wrong with the database itself is raised.
        """
        started = time.perf_counter()
        try:
            follow_ups = await self._until_stored(chunk)
        except Exception as error:
            if _is_loud(error):
                raise
            log.warning("chunk_failed", topic=self.topic, records=len(chunk), error=_name(error))
            if len(chunk) == 1:
                await self._until_stored(chunk, park=error)
            else:
                for single in _singles(chunk):
                    await self.run(single)
            return
        for follow_up in follow_ups:
            await follow_up()
        log.debug("chunk", topic=self.topic, records=len(chunk), s=time.perf_counter() - started)

    async def _until_stored(self, chunk: Chunk, park: Exception | None = None) -> list[FollowUp]:
        attempt = 0
        while True:
            try:
                return await self._once(chunk, park)
            except StoreUnavailable as error:
                log.warning("store_unavailable", topic=self.topic, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                attempt += 1

    async def _once(self, chunk: Chunk, park: Exception | None) -> list[FollowUp]:
        async with self.database.transaction() as connection:
            unit = Unit(connection, times.now())
            records = await checkpoints.claim(connection, self.topic, chunk.parts)
            if not records:
                return []
            if park is None:
                await self.handle(unit, records)
            else:
                await self._park(connection, chunk, park)
            await store.emit(connection, unit.messages, self.partitions)
            await checkpoints.advance(connection, self.topic, chunk.parts)
        return unit.after_commit

    async def _park(self, connection: Connection, chunk: Chunk, error: Exception) -> None:
        for partition, records in chunk.parts.items():
            for record in records:
                log.error(
                    "parked",
                    topic=self.topic,
                    partition=partition,
                    offset=record.offset,
                    error=_name(error),
                )
                values = {
                    "topic": self.topic,
                    "partition": partition,
                    "offset": record.offset,
                    "key": record.key,
                    "value": b"" if self.topic == EVENTS else record.value,
                    "error": _name(error),
                }
                await connection.execute(_PARK, values)


def _is_loud(error: Exception) -> bool:
    """Not one record's fault: a missing table, a broken invariant of ours."""
    ours = isinstance(error, SQLAlchemyError | CdpError)
    return ours and not isinstance(error, DataError | Unreadable)


def _singles(chunk: Chunk) -> Iterator[Chunk]:
    for partition, records in chunk.parts.items():
        for record in records:
            yield Chunk(chunk.topic, {partition: [record]})


def _name(error: Exception) -> str:
    """Where and what, without the values: an error's text may quote personal data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{where}"
