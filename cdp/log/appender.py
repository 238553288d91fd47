"""Group commit: gathers requests for a few milliseconds and stores them in one transaction.

The caller is answered when the commit is durable. While one group commits the next one gathers,
so the busier the collector, the larger its groups. Who comes when the queue is too long, in entries
or in time, is sent away at once: waiting would help nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

import structlog
from sqlalchemy.exc import IntegrityError

from cdp import metrics
from cdp.errors import CdpError, Conflict, Overloaded, StoreUnavailable
from cdp.log.quarantine import Refusal
from cdp.log.spill import Spill
from cdp.log.writing import Fact, Group, Writer

_RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5)
_GROUP = 5000  # entries in one transaction

log = structlog.get_logger(__name__)


class Bounds(NamedTuple):
    """How long a group gathers and a caller waits, in seconds; how many entries may wait.

    `patience`: while the oldest has waited so long, nobody else is let in. `hesitation`: so long
    the store may take before a group is spilled, where that is wanted.
    """

    linger: float = 0.002
    max_pending: int = 20_000
    timeout: float = 10.0
    patience: float = 2.0
    hesitation: float = 0.5


class Settle(Protocol):
    """Told of facts that say something of consent, before their caller is; may make it wait.

    `stored` tells whether they are in the log, or only on the local disk.
    """

    def __call__(self, facts: Sequence[Fact], *, stored: bool) -> Awaitable[None]: ...


class _Kept(NamedTuple):
    """Whether a group is in the log, or on the local disk; and which of its facts are in neither.

    Those name somebody suppressed. What is on the disk is looked at when it leaves it.
    """

    stored: bool
    suppressed: frozenset[bytes] = frozenset()


class _Waiting(NamedTuple):
    group: Group
    since: float
    done: asyncio.Future[_Kept]


class Appender:
    """The only writer of the log in a process. Run `run()` as a task beside the callers."""

    def __init__(
        self,
        writer: Writer,
        bounds: Bounds,
        spill: Spill | None = None,
        settle: Settle | None = None,
    ) -> None:
        self._writer = writer
        self._bounds = bounds
        self._spill = spill
        self._settle = settle
        self._waiting: deque[_Waiting] = deque()
        self._committing: list[_Waiting] = []
        self._pending = 0
        self._wake = asyncio.Event()

    @property
    def pending(self) -> int:
        """Entries accepted but not yet durable."""
        return self._pending

    def must_admit(self, entering: int = 0) -> None:
        """Overloaded when what came now, after so many others, would have to wait too long."""
        oldest = self._committing or self._waiting
        if oldest and _now() - oldest[0].since > self._bounds.patience:
            raise Overloaded("the event store is behind; send again later")
        if self._pending + entering > self._bounds.max_pending:
            raise Overloaded("more events are waiting than the store takes in; send again later")

    async def tell(self, facts: Sequence[Fact]) -> None:
        """Append what nobody may take for stored if it is not: Conflict if it is suppressed."""
        suppressed = await self.append(facts)
        if suppressed:
            raise Conflict(
                "an identifier that this names is suppressed, and nothing that names it is stored;"
                " lift the suppression first"
            )

    async def append(
        self, facts: Sequence[Fact], refusals: Sequence[Refusal] = ()
    ) -> frozenset[bytes]:
        """Return once all of it is durable; Overloaded when it is not within `Bounds.timeout`.

        But for those facts whose ids it returns: they name somebody suppressed.
        """
        group = Group(facts, refusals)
        if not group.size:
            return frozenset()
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(group, _now(), done))
        self._pending += group.size
        self._wake.set()
        try:
            async with asyncio.timeout(self._bounds.timeout):
                kept = await done
        except TimeoutError:
            raise Overloaded("the event store does not answer; send again later") from None
        if self._settle is not None:
            about_consent = [fact for fact in facts if fact.event is not None]
            if about_consent:
                await self._settle(about_consent, stored=kept.stored)
        return frozenset(fact.id for fact in facts if fact.id in kept.suppressed)

    async def run(self) -> None:
        """Commit group after group, for as long as the process lives."""
        if self._spill is None:
            await self._run()
            return
        try:
            await asyncio.gather(self._run(), self._spill.drain(self._store))
        finally:
            self._spill.close()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._bounds.linger)
            self._committing = self._take()
            await self._commit(self._committing)
            self._committing = []

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        size = 0
        while self._waiting and (not taken or size + self._waiting[0].group.size <= _GROUP):
            size += self._waiting[0].group.size
            taken.append(self._waiting.popleft())
        if not self._waiting:
            self._wake.clear()
        return taken

    async def _commit(self, taken: Sequence[_Waiting]) -> None:
        whole = Group(
            [fact for waiting in taken for fact in waiting.group.facts],
            [refusal for waiting in taken for refusal in waiting.group.refusals],
        )
        outcome: Exception | None = None
        kept = _Kept(stored=False)
        metrics.commit_entries.observe(whole.size)
        try:
            with metrics.timed(metrics.commit_seconds):
                kept = await self._keep(whole, taken)
        except CdpError as error:
            outcome = error
        except Exception as error:
            log.exception("append_failed", entries=whole.size)
            outcome = error
        self._pending -= whole.size
        for waiting in taken:
            if waiting.done.done():  # its caller gave up
                continue
            if outcome is None:
                waiting.done.set_result(kept)
            else:
                waiting.done.set_exception(outcome)

    async def _keep(self, whole: Group, taken: Sequence[_Waiting]) -> _Kept:
        """In the log, or where the store hesitates and spilling is wanted, on the local disk."""
        if self._spill is None:
            return _Kept(True, await self._store(whole, taken))
        if not self._spill.holds:  # else what came first must go first
            storing = asyncio.create_task(self._store(whole, taken))
            done, _ = await asyncio.wait({storing}, timeout=self._bounds.hesitation)
            if done:
                return _Kept(True, storing.result())
            # It may still come through, or try until its callers are answered: a fact is kept once.
            storing.add_done_callback(_looked_at)
        await self._spill.put(whole)
        return _Kept(stored=False)

    async def _store(self, whole: Group, taken: Sequence[_Waiting] = ()) -> frozenset[bytes]:
        """Try again while the store is away: a group that did commit before is deduplicated."""
        attempt = 0
        while True:
            try:
                return await self._writer.write(whole)
            except StoreUnavailable as error:
                log.warning("store_unavailable", error=str(error), attempt=attempt)
            except IntegrityError:  # another collector stored one of these under another subject
                log.info("append_raced")
            metrics.commit_retries.inc()
            if taken and all(waiting.done.done() for waiting in taken):
                raise StoreUnavailable("nobody waits for this group any more")
            await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
            attempt += 1


def _now() -> float:
    return asyncio.get_running_loop().time()


def _looked_at(storing: asyncio.Task[frozenset[bytes]]) -> None:
    if not storing.cancelled() and storing.exception() is not None:
        log.info("spilled_meanwhile", error=str(storing.exception()))
