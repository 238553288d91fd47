"""Sends what was claimed: nobody stands and waits for a destination that takes its time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from activation.batching import batches, unsent
from activation.gate import Ready
from activation.kinds.protocol import Late
from activation.lanes.model import OPEN
from activation.model import Delivery
from activation.stage import Activation
from activation.store import Mark
from cdp import metrics, times
from cdp.db import Database
from cdp.delivery.attempts import attempts
from cdp.errors import StoreUnavailable
from cdp.telemetry import Traces

GATHER_SECONDS = 0.02  # sends that end within it are noted together
PATIENCE_SECONDS = 0.25  # for those that are begun together, if none of them is known to be slow
GRACE_SECONDS = 2.0  # for what is under way when the process ends
TURN_SECONDS = 3.0  # that a claimed delivery waits for its turn at most
_NOTE_SECONDS = (0.1, 0.2, 0.5, 1.0, 1.0, 1.0)  # within what a lease leaves for it

log = structlog.get_logger(__name__)


class Sends:
    """What is under way in this process, outside any transaction.

    If it dies, leases in the ledger bring its deliveries back.
    """

    def __init__(
        self, database: Database, activation: Activation, traces: Traces | None = None
    ) -> None:
        self._database = database
        self._activation = activation
        self._traces = traces
        self._noting: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[list[Mark]]] = set()
        self._gates: dict[str, tuple[int, asyncio.Semaphore]] = {}
        self._failed: BaseException | None = None

    async def begin(self, ready: Sequence[Ready]) -> None:
        """Begin these sends; returns when they are over, noted or not, or when that takes long.

        What came of a send is noted soon after it ended, whatever the others are doing: somebody
        who withdraws may be waiting for it. Raises what noting an earlier one has failed with.
        """
        self._raise()
        if not ready:
            return
        slow = {each.destination.key for each in ready if self._activation.is_slow(each)}
        prompt = set()
        begun = set()
        for batch in batches(ready):
            for each in batch:
                self._count(each, 1)
            task = asyncio.create_task(self._attempt(batch))
            begun.add(task)
            if batch[0].destination.key not in slow and not batch[0].slot:
                prompt.add(task)
        self._sending |= begun
        noting = asyncio.create_task(self._note(begun))
        self._noting.add(noting)
        noting.add_done_callback(self._noted)
        if prompt:
            await asyncio.wait(prompt, timeout=PATIENCE_SECONDS)
        self._raise()

    async def idle(self) -> None:
        """Until nothing is under way."""
        while self._noting:
            await asyncio.wait(self._noting)
        self._raise()

    async def close(self) -> None:
        """Let what is under way end, if that is soon."""
        if self._noting:
            await asyncio.wait(self._noting, timeout=GRACE_SECONDS)
        await self.abandon()

    async def abandon(self) -> None:
        """Break off what is under way, as if this process had died."""
        ending = [*self._sending, *self._noting]
        for each in ending:
            each.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _note(self, begun: set[asyncio.Task[list[Mark]]]) -> None:
        pending = begun
        while pending:
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            done, pending = await asyncio.wait(pending, timeout=GATHER_SECONDS)
            self._sending -= done
            await self._write([mark for each in done for mark in each.result()])

    async def _write(self, marks: Sequence[Mark]) -> None:
        for wait in (*_NOTE_SECONDS, None):
            try:
                async with self._database.transaction() as connection:
                    await self._activation.note(connection, marks, times.now())
                    noted = await self._activation.lanes.note(connection, times.now())
            except StoreUnavailable as error:
                if wait is None:
                    raise
                log.warning("store_unavailable", noting=len(marks), error=str(error))
                await asyncio.sleep(wait)
            else:
                for destination, is_open in noted.items():
                    metrics.circuit_open.labels(destination).set(is_open)
                return

    def _noted(self, task: asyncio.Task[None]) -> None:
        self._noting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failed = task.exception()

    def _raise(self) -> None:
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed

    async def _attempt(self, batch: Sequence[Ready]) -> list[Mark]:
        lane = self._activation.lanes.of(batch[0].destination)
        gate = self._gate(batch[0])
        try:
            await _slot(batch)
            try:
                await asyncio.wait_for(gate.acquire(), TURN_SECONDS)
            except TimeoutError:
                return unsent(batch, lane, times.now())
            try:
                if lane.open and lane.probe not in {each.delivery.id for each in batch}:
                    return unsent(batch, lane, times.now())
                return await self._send(batch)
            finally:
                gate.release()
        finally:
            for each in batch:
                self._count(each, -1)

    def _count(self, ready: Ready, one: int) -> None:
        lane, key = self._activation.lanes.of(ready.destination), ready.destination.key
        lane.admitted += one
        metrics.sends_under_way.labels(key).set(lane.admitted)
        metrics.circuit_open.labels(key).set(lane.open)

    def _gate(self, ready: Ready) -> asyncio.Semaphore:
        """As many at a time as the destination takes."""
        key, concurrency = ready.destination.key, ready.destination.concurrency
        known = self._gates.get(key)
        if known is None or known[0] != concurrency:
            known = self._gates[key] = concurrency, asyncio.Semaphore(concurrency)
        return known[1]

    async def _send(self, batch: Sequence[Ready]) -> list[Mark]:
        deliveries: list[Delivery] = [each.delivery for each in batch]
        with attempts(deliveries, self._traces) as trying:
            told = [
                each._replace(message=each.message._replace(headers=one.headers))
                for each, one in zip(batch, trying, strict=True)
            ]
            try:
                marks = await self._activation.send(told, times.now())
            except Late:  # it stays claimed until its lease is over, and then is somebody else's
                for one in trying:
                    one.ended("late", "the claim was over")
                return []
            for one, mark in zip(trying, marks, strict=True):
                one.ended(mark.state, mark.reason)
        return marks


async def _slot(batch: Sequence[Ready]) -> None:
    """Until the slot of the last of them, where the destination has a rate."""
    wait = max(each.slot for each in batch) - times.now()
    if wait > 0:
        await asyncio.sleep(wait / times.SECOND)


def count(refused: Sequence[str], put_off: Sequence[tuple[str, str]]) -> None:
    """Deliveries that consent did not let through, and those that found no room and why."""
    for destination in refused:
        metrics.attempts.labels(destination, "refused").inc()
    for destination, reason in put_off:
        metrics.put_off.labels(destination, reason).inc()
        if reason == OPEN:
            metrics.circuit_open.labels(destination).set(1)
