"""What happens by the clock: timers, retries, builds, trimming; `timetable` says how often."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

import activation.campaigns.store as campaigns
import activation.store as delivery_store
import identity.store as identity_store
import profiles.store as profile_store
from activation.lanes import releasing
from cdp import metrics, times, touches
from cdp.db import Database
from cdp.events import DELIVERIES, TOUCHED
from cdp.evidence.chaining import Chaining
from cdp.log import store as log_store
from cdp.log.store import Message
from cdp.modelling.learning import Learning
from cdp.modelling.scoring import TURNS, Scoring
from cdp.privacy.work import PrivacyWork
from cdp.refreshing import Refreshing
from cdp.retention.expiring import Expiring
from cdp.scheduler.builds import Builder
from cdp.scheduler.matchwork import MatchWork
from cdp.scheduler.rhythms import Rhythms
from cdp.scheduler.rulework import RuleWork
from cdp.scheduler.scheduling import Scheduling
from cdp.scheduler.syncing import Syncing
from cdp.stream import checkpoints

_SLICE = 2000
_PAUSE = 0.05  # seconds between two pieces of what must hold up nobody

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs, each a bounded piece of work that may run at any time, and again."""

    database: Database
    partitions: int
    builder: Builder
    rules: RuleWork
    matching: MatchWork
    chaining: Chaining
    expiring: Expiring
    privacy: PrivacyWork
    learning: Learning
    scoring: Scoring
    rhythms: Rhythms
    scheduling: Scheduling
    syncing: Syncing
    refreshing: Refreshing

    async def fire_timers(self) -> None:
        """Touch the profiles whose memberships may have changed by time alone."""
        while True:
            async with self.database.transaction() as connection:
                due = await profile_store.take_due(connection, times.now(), _SLICE)
                messages = [Message(TOUCHED, profile, touches.TIMER) for profile in due]
                await log_store.emit(connection, messages, self.partitions)
            if len(due) < _SLICE:
                return

    async def retry_deliveries(self) -> None:
        """Put deliveries that are due again back on their topic."""
        while True:
            async with self.database.transaction() as connection:
                due = await delivery_store.take_due(connection, times.now(), _SLICE)
                messages = [
                    Message(DELIVERIES, each.destination.encode() + each.profile, each.id)
                    for each in due
                ]
                await log_store.emit(connection, messages, self.partitions)
            if len(due) < _SLICE:
                return

    async def release_held(self) -> None:
        """Let go what was held for destinations that answer again, or until its slot is near."""
        async with self.database.transaction() as connection:
            await releasing.answering(connection, times.now())
            await releasing.limited(connection, times.now())

    async def wake_journeys(self) -> None:
        """Touch the profiles whose journeys through campaigns go on."""
        while True:
            async with self.database.transaction() as connection:
                due = await campaigns.wake(connection, times.now(), _SLICE)
                now = await identity_store.profiles(connection, set(due))
                messages = [Message(TOUCHED, now.get(p, p), touches.TIMER) for p in set(due)]
                await log_store.emit(connection, messages, self.partitions)
            if len(due) < _SLICE:
                return

    async def begin_scheduled(self) -> None:
        """Begin campaigns by schedule that have come, as far as that goes now."""
        while await self.scheduling.step():  # noqa: ASYNC110 - lets the other jobs in
            await asyncio.sleep(0)

    async def build(self) -> None:
        """Bring changed definitions in, as far as that goes now."""
        while await self.builder.step():  # noqa: ASYNC110 - lets the other jobs in
            await asyncio.sleep(0)

    async def carry_rules(self) -> None:
        """Bring new identity rules in, and try others, as far as that goes now."""
        while await self.rules.step():  # noqa: ASYNC110 - lets the other jobs in
            await asyncio.sleep(0)

    async def match(self) -> None:
        """Compare people who have changed, as far as that goes now."""
        while await self.matching.step():  # noqa: ASYNC110 - lets the other jobs in
            await asyncio.sleep(0)

    async def chain_consent(self) -> None:
        """Chain the consent facts that are new in the log."""
        while await self.chaining.step():  # noqa: ASYNC110 - lets the other jobs in
            await asyncio.sleep(0)

    async def expire(self) -> None:
        """Take out of the log what is older than its source and purpose allow."""
        total = 0
        while (taken := await self.expiring.step()) is not None:
            metrics.expired.inc(taken)
            total += taken
            await asyncio.sleep(0)
        if total:
            log.info("expired", events=total)

    async def serve_people(self) -> None:
        """Do what people asked for with all that there is of them, as far as that goes now."""
        while await self.privacy.step():  # noqa: ASYNC110 - lets the other jobs in
            await asyncio.sleep(0)

    async def expire_archives(self) -> None:
        """Delete archives of people's data that were there to be fetched for long enough."""
        await self.privacy.expire()

    async def recall_models(self) -> None:
        """Show what had been measured of models before this process began."""
        await self.learning.recall()

    async def fit_models(self) -> None:
        """Fit the models that are due."""
        while await self.learning.step():  # noqa: ASYNC110 - lets the other jobs in
            await asyncio.sleep(0)

    async def score_people(self) -> None:
        """Say what models make of people who have changed, and of all after a fit."""
        for _ in range(TURNS):
            if not await self.scoring.step():
                return
            await asyncio.sleep(0)

    async def sync(self) -> None:
        """Bring destinations to how things are, as far as what is on its way leaves room."""
        while await self.refreshing.step():  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0)
        while await self.syncing.step():  # noqa: ASYNC110 - lets what happens now go first
            await asyncio.sleep(_PAUSE)

    async def learn_hours(self) -> None:
        """Count anew when people are there."""
        await self.rhythms.step()

    async def trim(self) -> None:
        """Delete what the outbox's consumers have handled."""
        async with self.database.transaction() as connection:
            await checkpoints.trim(connection)
