"""Group commit: gathers requests for a few milliseconds and stores them in one transaction.

The caller is answered when the commit is durable. While one group commits the next one gathers,
so the busier the collector, the larger its groups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import structlog
from sqlalchemy.exc import IntegrityError

from cdp.db import Database, named
from cdp.errors import Overloaded, StoreUnavailable
from cdp.events import Event, Instant, SubjectId
from cdp.log import quarantine, store
from cdp.log.codec import plain_event
from cdp.log.keyring import Held, Keyring
from cdp.log.quarantine import Refusal
from cdp.log.store import Sealed
from cdp.log.vault import Seal

_RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5)
_GROUP = 2000  # entries in one transaction
_COUNT_UNCOLLECTED = named(
    """
    insert into uncollected (source, day, events)
    select s, current_date, count(*) from unnest(cast(:sources as int[])) s group by s order by s
    on conflict (source, day) do update set events = uncollected.events + excluded.events
    """
)
Gate: TypeAlias = Callable[[Event, bool], Event | None]

log = structlog.get_logger(__name__)


class Fact(NamedTuple):
    """An event on its way into the log: encoded at once, while it is warm, to be sealed later."""

    id: bytes
    subject: SubjectId
    source: int
    at: Instant
    received_at: Instant
    plain: bytes
    event: Event | None  # kept where it says something of consent: the gate looks into it


def fact_of(event: Event, subject: SubjectId, *, consent: bool) -> Fact:
    """The fact that an event is; `consent` tells whether it says anything of that."""
    plain = plain_event(event)
    kept = event if consent else None
    return Fact(event.id, subject, event.source, event.at, event.received_at, plain, kept)


class Bounds(NamedTuple):
    """How long a group gathers and a caller waits, in seconds; how many entries may wait."""

    linger: float = 0.002
    max_pending: int = 20_000
    timeout: float = 10.0


class _Waiting(NamedTuple):
    facts: Sequence[Fact]
    refusals: Sequence[Refusal]
    done: asyncio.Future[None]

    @property
    def size(self) -> int:
        return len(self.facts) + len(self.refusals)


class Appender:
    """The only writer of the log in a process. Run `run()` as a task beside the callers."""

    def __init__(
        self, database: Database, keyring: Keyring, partitions: int, gate: Gate, bounds: Bounds
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._partitions = partitions
        self._gate = gate
        self._bounds = bounds
        self._waiting: list[_Waiting] = []
        self._pending = 0
        self._wake = asyncio.Event()

    @property
    def pending(self) -> int:
        """Entries accepted but not yet durable."""
        return self._pending

    async def append(self, facts: Sequence[Fact], refusals: Sequence[Refusal] = ()) -> None:
        """Return once all of it is durable; Overloaded when that cannot be within the bound."""
        size = len(facts) + len(refusals)
        if not size:
            return
        if self._pending + size > self._bounds.max_pending and self._pending:
            raise Overloaded("more events are waiting than the store takes in; send again later")
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(facts, refusals, done))
        self._pending += size
        self._wake.set()
        try:
            async with asyncio.timeout(self._bounds.timeout):
                await done
        except TimeoutError:
            raise Overloaded("the event store does not answer; send again later") from None

    async def run(self) -> None:
        """Commit group after group, for as long as the process lives."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._bounds.linger)
            group = self._take()
            await self._commit(group)

    def _take(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._waiting and (not group or size + self._waiting[0].size <= _GROUP):
            size += self._waiting[0].size
            group.append(self._waiting.pop(0))
        if not self._waiting:
            self._wake.clear()
        return group

    async def _commit(self, group: Sequence[_Waiting]) -> None:
        outcome: Exception | None = None
        try:
            await self._write_until_stored(group)
        except Exception as error:
            log.exception("append_failed", entries=sum(waiting.size for waiting in group))
            outcome = error
        self._pending -= sum(waiting.size for waiting in group)
        for waiting in group:
            if waiting.done.done():  # its caller gave up
                continue
            if outcome is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(outcome)

    async def _write_until_stored(self, group: Sequence[_Waiting]) -> None:
        """Try again while the store is away: a group that did commit before is deduplicated."""
        attempt = 0
        while True:
            try:
                await self._write(group)
                return
            except StoreUnavailable as error:
                log.warning("store_unavailable", error=str(error), attempt=attempt)
            except IntegrityError:  # another collector stored one of these under another subject
                log.info("append_raced")
            if all(waiting.done.done() for waiting in group):
                raise StoreUnavailable("nobody waits for this group any more")
            await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
            attempt += 1

    async def _write(self, group: Sequence[_Waiting]) -> None:
        facts = [fact for waiting in group for fact in waiting.facts]
        refusals = [refusal for waiting in group for refusal in waiting.refusals]
        held = await self._keyring.ensure(self._database, (fact.subject for fact in facts))
        passed = [self._passed(fact, held[fact.subject]) for fact in facts]
        ready = [sealed(fact, held[fact.subject].box) for fact in passed if fact is not None]
        stopped = [f.source for f, p in zip(facts, passed, strict=True) if p is None]
        if not refusals and not stopped:  # as a rule: one call, that commits by itself
            async with self._database.autocommit() as connection:
                await store.append(connection, ready, self._partitions)
            return
        async with self._database.transaction() as connection:
            if refusals:
                await quarantine.add(connection, self._keyring.vault, refusals)
            if stopped:
                await connection.execute(_COUNT_UNCOLLECTED, {"sources": stopped})
            if ready:
                await store.append(connection, ready, self._partitions)

    def _passed(self, told: Fact, held: Held) -> Fact | None:
        """The collection gate: without a basis nothing of an event is stored but that it was."""
        if told.event is None:
            return told if held.collect else None
        event = self._gate(told.event, held.collect)
        if event is None or event is told.event:
            return told if event else None
        return fact_of(event, told.subject, consent=True)


def sealed(told: Fact, box: Seal) -> Sealed:
    """Ready to be stored."""
    payload = box.seal(told.plain, told.id)
    return Sealed(*told[:5], told.event is not None, payload)
