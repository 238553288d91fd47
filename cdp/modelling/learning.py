"""Fits models that are due: gathers people, has a process learn, and stores what it learned."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from cdp import metrics, times
from cdp.db import Connection, Database
from cdp.log.vault import Vault
from cdp.modelling.gathering import Gathering
from cdp.modelling.hindsight import Looking
from cdp.modelling.sealing import seal, unseal
from cdp.people import People
from cdp.times import parse_duration
from profiles.learning.fitting import Outcome
from profiles.learning.protocol import Fitted, Lesson
from profiles.models import fits, store
from profiles.models.fits import Begun
from profiles.models.store import Model

SLICE = 200  # people gathered in one transaction; timers wait for no longer
MOST = 50_000  # people that are looked at to learn
PATIENT = 10  # of a process that learns: whoever serves people comes first
AGAIN = 3600 * 1_000_000  # microseconds after which one that failed is tried again

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Learning:
    """One fit after the other."""

    database: Database
    people: People

    @property
    def vault(self) -> Vault:
        """What seals what was learned."""
        return self.people.keyring.vault

    async def recall(self) -> None:
        """Show again how well each model had judged when it last was looked at."""
        async with self.database.transaction() as connection:
            for model in await store.listed(connection):
                fit = await fits.latest(connection, model.id)
                fitted = unseal(self.vault, fit) if fit is not None else None
                if fitted is not None:
                    _show(model.key, fitted.report)

    async def step(self) -> bool:
        """Fit the model that is due; False if none is."""
        async with self.database.transaction() as connection:
            model = await store.due(connection, times.now())
            if model is None:
                return False
            before = await last(self.vault, connection, model)
            asked = not model.due or before is None or before.definition != model.active
            if before is not None and not asked and times.now() < before.rests_until:
                await self._again(connection, model, model.fit)
                return True
            begun = await fits.begin(connection, model.id)
            # If this process ends while it learns, the next one tries again then.
            await store.put_off(connection, model.id, times.now() + AGAIN)
        lesson = await GATHERED[model.kind](self, model, begun.id)
        lesson.before = before.parameters if before is not None else None
        lesson.asked = asked
        async with self.database.transaction() as connection:
            await fits.note(connection, begun.id, len(lesson.observations), "learning")
        outcome = await learned(lesson)
        await self._finish(model, begun, outcome, len(lesson.observations))
        return True

    async def _finish(self, model: Model, begun: Begun, outcome: Outcome, people: int) -> None:
        if outcome.fitted is None:
            async with self.database.transaction() as connection:
                await fits.finish(
                    connection, begun.id, "failed", people=people, error=outcome.error
                )
            _count(model.key, "failed", {})
            log.warning("model_not_fitted", model=model.key, error=outcome.error)
            return
        content = seal(self.vault, begun.id, outcome.fitted)
        async with self.database.transaction() as connection:
            kept = outcome.fitted.kept
            state: fits.Ended = "kept" if kept else "done"
            await fits.finish(connection, begun.id, state, people=people, content=content)
            await self._again(connection, model, model.fit if kept else begun.version)
        _count(model.key, state, outcome.fitted.report)
        log.info("model_fitted", model=model.key, version=begun.version, people=people, kept=kept)

    @staticmethod
    async def _again(connection: Connection, model: Model, fit: int | None) -> None:
        """Score everybody by this fit, and look at the model again when it is due."""
        now = await store.find(connection, model.key)
        if fit is not None and now and now.id == model.id and now.active == model.active:
            await store.adopt(connection, model.id, fit)
            # Unless it was changed or asked for meanwhile.
            due = times.now() + parse_duration(now.wanted["every"])
            await store.later(connection, model.id, due)

    async def whole(self, model: Model, fit: int) -> Lesson:
        """Everybody who allows the purpose, or a sample, as they are now."""
        lesson = Lesson(model.kind, model.active or {}, [])
        gathering, after, looked = Gathering(self.people), b"", 0
        while looked < MOST:
            async with self.database.transaction() as connection:
                page = await store.page(connection, after, SLICE)
                if not page:
                    break
                await self.people.keyring.renew(connection)
                lesson.observations += await gathering.observed(connection, model, page)
                await fits.note(connection, fit, len(lesson.observations))
            after, looked = page[-1], looked + len(page)
            await asyncio.sleep(0)
        return lesson

    async def past(self, model: Model, fit: int) -> Lesson:
        """A sample of them as they were at earlier instants, and what came of them."""

        async def told(people: int) -> None:
            async with self.database.transaction() as connection:
                await fits.note(connection, fit, people)

        return await Looking(self.database, self.people).back(model, told)


# What each kind learns from.
GATHERED: Mapping[str, Callable[[Learning, Model, int], Awaitable[Lesson]]] = {
    "clusters": Learning.whole,
    "propensity": Learning.past,
    "rfm": Learning.whole,
}


async def learned(lesson: Lesson) -> Outcome:
    """What a process of its own makes of a lesson; its memory ends with it."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "profiles.learning.fitting",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.setpriority(os.PRIO_PROCESS, child.pid, PATIENT)
    try:
        said, complaint = await child.communicate(msgspec.msgpack.encode(lesson))
    except BaseException:
        if child.returncode is None:
            child.kill()
        raise
    if child.returncode:
        told = complaint.decode(errors="replace").strip().splitlines()[-1:]
        return Outcome(error=f"learning ended with {child.returncode}: {' '.join(told)}")
    return msgspec.msgpack.decode(said, type=Outcome)


async def last(vault: Vault, connection: Connection, model: Model) -> Fitted | None:
    """What people are scored by now; None before anything was learned."""
    if model.fit is None:
        return None
    fit = await fits.find(connection, model.id, model.fit)
    return unseal(vault, fit) if fit is not None else None


def _count(key: str, state: fits.Ended, report: Mapping[str, Any]) -> None:
    metrics.model_fits.labels(key, state).inc()
    _show(key, report)


def _show(key: str, report: Mapping[str, Any]) -> None:
    drift = report.get("drift")
    measured = report.get("measures") or drift
    if measured and measured["auc"]:
        metrics.model_auc.labels(key).set(measured["auc"]["value"])
    if drift and drift["drop"] is not None:
        metrics.model_auc_drop.labels(key).set(drift["drop"])
