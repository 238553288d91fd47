"""What runs beside the routes: the log's writer, and news for the gates of collection."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import psycopg
import structlog
from fastapi import FastAPI

import activation.content.store as content_store
import cdp.plans.store as plan_store
import consent.store as consent_store
from cdp import clock, times
from cdp.audit import Audit
from cdp.collect.sources import Sources
from cdp.db import Database
from cdp.errors import StoreUnavailable
from cdp.limits import Limits
from cdp.log.appender import Appender
from cdp.log.keyring import Keyring
from cdp.personalizing.held import Catalogue
from cdp.personalizing.questions import Questions
from cdp.plans.held import Plans
from cdp.quality.tally import Tally
from cdp.suppression.listed import Suppressed
from consent.gate import CollectionGate

_RETRY_SECONDS = 1.0
_FIRST_SECONDS = 2.0  # that the first request waits for the news at most
_SUBJECTS = "cdp_subjects"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Background:
    """Lives as long as the application."""

    database: Database
    keyring: Keyring
    appender: Appender
    gate: CollectionGate
    suppressed: Suppressed
    audit: Audit
    limits: Limits
    sources: Sources
    plans: Plans
    tally: Tally
    catalogue: Catalogue
    questions: Questions
    _tried: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Run beside the application; if one of the tasks ends, the process must."""
        async with clock.following(self.database), self._beside():
            yield

    @contextlib.asynccontextmanager
    async def _beside(self) -> AsyncIterator[None]:
        ours = (self.appender, self.audit, self.limits, self.sources, self.tally)
        with contextlib.suppress(StoreUnavailable):  # else it is learned with the first events
            await self.suppressed.renew(self.database)
            await self.plans.renew(self.database)
            await self._renew_content()
        works = (self._follow(), *(each.run() for each in ours))
        tasks = [asyncio.create_task(work) for work in works]
        for task in tasks:
            task.add_done_callback(_end_process)
        with contextlib.suppress(TimeoutError):  # what is learned until then is forgotten there
            await asyncio.wait_for(self._tried.wait(), _FIRST_SECONDS)
        yield
        for task in tasks:
            task.remove_done_callback(_end_process)
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await self.limits.close()
        await self.questions.close()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _follow(self) -> None:
        """Renew what collecting goes by whenever consent, purposes or tracking plans change."""
        while True:
            try:
                async with self.database.driver() as connection:
                    for channel in (_SUBJECTS, plan_store.CHANGED, content_store.CHANGED):
                        await connection.execute(f"listen {channel}")
                    self.keyring.forget_all()
                    await self._renew()
                    await self.plans.renew(self.database)
                    await self._renew_content()
                    self._tried.set()
                    async for note in connection.notifies():
                        if note.channel == plan_store.CHANGED:
                            await self.plans.renew(self.database)
                        elif note.channel == content_store.CHANGED:
                            await self._renew_content()
                        elif note.payload == "purposes":
                            await self._renew()
                            await self._renew_content()
                        else:
                            self.keyring.forget([bytes.fromhex(note.payload)])
            except (StoreUnavailable, psycopg.Error, OSError) as error:
                log.info("listen_lost", error=type(error).__name__)
            self._tried.set()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _renew(self) -> None:
        async with self.database.transaction() as connection:
            self.gate.renew(await consent_store.purposes(connection))

    async def _renew_content(self) -> None:
        await self.catalogue.renew(self.database, times.now())


def _end_process(task: asyncio.Task[None]) -> None:
    """A collector without its writer would only collect promises: end it, loudly."""
    if not task.cancelled():
        signal.raise_signal(signal.SIGTERM)
        log.error("task_ended", error=type(task.exception()).__name__)
