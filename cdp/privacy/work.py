"""Does what people asked for, request by request: what fails is noted, and tried again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from cdp import times
from cdp.db import Connection, Database
from cdp.events import EVENTS
from cdp.log.vault import Vault
from cdp.privacy import model, store
from cdp.privacy.model import ARCHIVE_DAYS, Kind, Request
from cdp.stream import checkpoints
from cdp.stream.stage import name_of
from cdp.times import SECOND

_DAY = 86_400 * SECOND
_SOON = SECOND // 20  # until it is looked again whether the agents are so far

Step: TypeAlias = Callable[[Request], Awaitable[Request]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PrivacyWork:
    """One bounded piece after the other; `kinds` says what is done for each kind of request."""

    database: Database
    vault: Vault
    kinds: Mapping[Kind, Step]

    async def step(self) -> bool:
        """Do a piece of work; False when there is none, or it has to wait."""
        async with self.database.transaction() as connection:
            request = await store.take(connection, self.vault, times.now())
            if request is None:
                return False
            request = await self._begun(connection, request)
            ready = await _has_come(connection, request)
            if not ready:
                request = request._replace(next_at=times.now() + _SOON)
            await store.put(connection, request)
        if ready:
            await self._do(request)
        return True

    async def expire(self) -> None:
        """Delete archives that nobody has to fetch any more."""
        async with self.database.transaction() as connection:
            await store.expire(connection, times.now() - ARCHIVE_DAYS * _DAY)

    async def _begun(self, connection: Connection, request: Request) -> Request:
        """What is in the log when it is taken up is part of it."""
        if request.awaits is None:
            heads = await checkpoints.heads(connection)
            awaits = {str(p): offset for (topic, p), offset in heads.items() if topic == EVENTS}
            request = request._replace(awaits=awaits, begun_at=times.now())
        return request._replace(status="running")

    async def _do(self, request: Request) -> None:
        try:
            await self.kinds[request.kind](request)
        except Exception as error:  # noqa: BLE001 - of one request: noted there, and tried again
            log.error("privacy_request_failed", request=str(request.id), error=name_of(error))
            await self._failed(request, name_of(error))

    async def _failed(self, request: Request, reason: str) -> None:
        async with self.database.transaction() as connection:
            current = await store.find(connection, self.vault, request.id)
            assert current is not None
            attempts = current.attempts + 1
            wait = model.wait_seconds(attempts) * SECOND
            failed = current._replace(
                status="failed", attempts=attempts, next_at=times.now() + wait, reason=reason
            )
            await store.put(connection, failed)


async def _has_come(connection: Connection, request: Request) -> bool:
    """Whether the agents have handled what was there when it was taken up."""
    positions = await checkpoints.positions(connection)
    awaits = request.awaits or {}
    return all(positions.get((EVENTS, int(p)), end) >= end for p, end in awaits.items())
