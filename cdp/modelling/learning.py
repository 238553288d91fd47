"""Fits models that are due: gathers people, has a process learn, and stores what it learned."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
import structlog

from cdp import times
from cdp.db import Connection, Database
from cdp.log.vault import Vault
from cdp.modelling.gathering import Gathering
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
AGAIN = 10 * 60 * 1_000_000  # microseconds after which one that failed is tried again

Told: TypeAlias = Callable[[int], Awaitable[None]]

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

    async def step(self) -> bool:
        """Fit the model that is due; False if none is."""
        async with self.database.transaction() as connection:
            model = await store.due(connection, times.now())
            if model is None:
                return False
            begun = await fits.begin(connection, model.id)
            before = await last(self.vault, connection, model)
            # If this process ends while it learns, the next one tries again then.
            await store.put_off(connection, model.id, times.now() + AGAIN)
        lesson = await GATHERED[model.kind](self, model, begun.id)
        lesson.before = before.parameters if before is not None else None
        async with self.database.transaction() as connection:
            await fits.note(connection, begun.id, len(lesson.observations), "learning")
        outcome = await learned(lesson)
        await self._finish(model, begun, outcome, len(lesson.observations))
        return True

    async def _finish(self, model: Model, begun: Begun, outcome: Outcome, people: int) -> None:
        if outcome.fitted is None:
            async with self.database.transaction() as connection:
                await fits.finish(connection, begun.id, people=people, error=outcome.error)
            log.warning("model_not_fitted", model=model.key, error=outcome.error)
            return
        content = seal(self.vault, begun.id, outcome.fitted)
        async with self.database.transaction() as connection:
            await fits.finish(connection, begun.id, people=people, content=content)
            now = await store.find(connection, model.key)
            if now is not None and now.id == model.id and now.active == model.active:
                due = times.now() + parse_duration(now.wanted["every"])
                due = now.due if now.due == 0 else due  # it was changed or asked for meanwhile
                await store.adopt(connection, model.id, begun.version, due)
        log.info("model_fitted", model=model.key, version=begun.version, people=people)

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


# What each kind learns from.
GATHERED: Mapping[str, Callable[[Learning, Model, int], Awaitable[Lesson]]] = {
    "clusters": Learning.whole,
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
