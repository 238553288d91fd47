"""One chunk, one transaction: claim, handle, emit, advance. Failures: retried, parked or loud."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
from sqlalchemy.exc import DataError, SQLAlchemyError

from cdp import metrics, times
from cdp.db import Connection, Database, named
from cdp.errors import CdpError, StoreUnavailable, Unreadable
from cdp.events import EVENTS, Instant
from cdp.log import store
from cdp.log.store import Message, Record
from cdp.origins import Origin
from cdp.stream import checkpoints
from cdp.stream.broker import Chunk
from cdp.telemetry import Traces, trace_id

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
    origins: dict[bytes, Origin] = field(default_factory=dict)  # by subject, or by profile

    def emit(self, topic: str, key: bytes, value: bytes = b"") -> None:
        """Put a record on an internal topic, with this transaction."""
        self.messages.append(Message(topic, key, value))

    def follow(self, key: bytes, origin: Origin | None) -> None:
        """What is done for this key goes back to its first event here, or to one that is traced."""
        if origin is None or (key in self.origins and not origin.trace):
            return
        self.origins[key] = origin
        if origin.trace:
            structlog.contextvars.bind_contextvars(trace_id=trace_id(origin.trace))


Handle: TypeAlias = Callable[[Unit, list[Record]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stage:
    """An agent's work on its topic; `most` is how many records it likes to be handed at once."""

    topic: str
    handle: Handle
    database: Database
    partitions: int
    most: int
    traces: Traces | None = None

    async def run(self, chunk: Chunk) -> None:
        """Handle a chunk exactly once; returns when its effects are durable.

        Transient failures are tried again for as long as they last. A failure that is not
        the store's is narrowed down to the record that causes it, which is parked with its error;
        its neighbours go through. What is wrong with the database itself is raised.
        """
        started, clock = time.time(), time.perf_counter()
        try:
            unit = await self._until_stored(chunk)
        except Exception as error:
            if is_loud(error):
                raise
            log.warning("chunk_failed", topic=self.topic, records=len(chunk), error=name_of(error))
            if len(chunk) == 1:
                await self._until_stored(chunk, park=error)
                metrics.chunk_parked.labels(self.topic).inc()
            else:
                for half in halves(chunk):
                    await self.run(half)
            return
        metrics.durable(self.topic, unit.origins.values(), times.now())
        for follow_up in unit.after_commit:
            await follow_up()
        self._note(chunk, unit, started, time.perf_counter() - clock)

    def _note(self, chunk: Chunk, unit: Unit, started: float, seconds: float) -> None:
        """Every stage is measured here, and nowhere else."""
        metrics.chunk_records.labels(self.topic).observe(len(chunk))
        metrics.chunk_seconds.labels(self.topic).observe(seconds)
        if self.traces is not None:
            traces = [each.trace for each in unit.origins.values() if each.trace]
            self.traces.chunk(self.topic, traces, started, len(chunk))
        log.debug("chunk", topic=self.topic, records=len(chunk), s=seconds)

    async def _until_stored(self, chunk: Chunk, park: Exception | None = None) -> Unit:
        attempt = 0
        while True:
            try:
                return await self._once(chunk, park)
            except StoreUnavailable as error:
                log.warning("store_unavailable", topic=self.topic, error=str(error))
                metrics.chunk_retries.labels(self.topic).inc()
                await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                attempt += 1

    async def _once(self, chunk: Chunk, park: Exception | None) -> Unit:
        if park is None:
            structlog.contextvars.unbind_contextvars("trace_id")  # of the chunk before
        async with self.database.transaction() as connection:
            unit = Unit(connection, times.now())
            records = await checkpoints.claim(connection, self.topic, chunk.parts)
            if not records:
                return unit
            if park is None:
                await self.handle(unit, records)
            else:
                await self._park(connection, chunk, park)
            await store.emit(connection, unit.messages, self.partitions)
            await checkpoints.advance(connection, self.topic, chunk.parts)
        return unit

    async def _park(self, connection: Connection, chunk: Chunk, error: Exception) -> None:
        for partition, records in chunk.parts.items():
            for record in records:
                log.error(
                    "parked",
                    topic=self.topic,
                    partition=partition,
                    offset=record.offset,
                    error=name_of(error),
                )
                values = {
                    "topic": self.topic,
                    "partition": partition,
                    "offset": record.offset,
                    "key": record.key,
                    "value": b"" if self.topic == EVENTS else record.value,
                    "error": name_of(error),
                }
                await connection.execute(_PARK, values)


def is_loud(error: Exception) -> bool:
    """Not one record's fault: a missing table, a broken invariant of ours."""
    ours = isinstance(error, SQLAlchemyError | CdpError)
    return ours and not isinstance(error, DataError | Unreadable)


def halves(chunk: Chunk) -> Iterator[Chunk]:
    """A chunk of several records in two; one after the other they are the chunk in its order.

    So one bad record among thousands is found in a dozen steps, each half as long as the last.
    """
    parts = list(chunk.parts.items())
    if len(parts) > 1:
        middle = len(parts) // 2
        pair = (dict(parts[:middle]), dict(parts[middle:]))
    else:
        ((partition, records),) = parts
        middle = len(records) // 2
        pair = ({partition: records[:middle]}, {partition: records[middle:]})
    for half in pair:
        yield Chunk(chunk.topic, half, chunk.generation)


def name_of(error: Exception) -> str:
    """Where and what, without the values: an error's text may quote personal data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{where}"
