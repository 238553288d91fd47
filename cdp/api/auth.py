"""Who may do what: API keys with scopes, as Bearer tokens; and who did, for the audit log."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends, Request

from cdp.api import acting
from cdp.api.acting import Actor
from cdp.audit import Audit
from cdp.collect import keys
from cdp.collect.keys import ApiKey
from cdp.collect.request import Visitors
from cdp.db import Database
from cdp.errors import Forbidden, Unauthorized
from cdp.limits import Rates, caller

SCOPES = (
    "profiles:read",
    "corrections:write",
    "identity:read",
    "identity:write",
    "segments:read",
    "segments:write",
    "consent:read",
    "consent:write",
    "destinations:read",
    "destinations:write",
    "campaigns:read",
    "campaigns:write",
    "content:read",
    "content:write",
    "content:decide",
    "quarantine:read",
    "quarantine:write",
    "plans:read",
    "plans:write",
    "quality:read",
    "privacy:read",
    "privacy:write",
    "privacy:export",
    "audit:read",
    "metrics:read",
)
EVERYTHING = "*"
_TTL = 10.0  # seconds a key is remembered: a revoked key works no longer than this
_MOST_KNOWN = 10_000


class Keys:
    """API keys, remembered for a moment, and what is noted of those who use them."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        visitors: Visitors,
        rates: Rates,
        *,
        open_metrics: bool = True,
    ) -> None:
        self.audit = audit
        self._database = database
        self._visitors = visitors
        self._rates = rates
        self._known: dict[bytes, tuple[float, ApiKey]] = {}
        self._open_metrics = open_metrics

    def needs(self, scope: str) -> Any:
        """A dependency that lets only keys with this scope through."""

        async def check(request: Request) -> None:
            actor = await self._actor(request)
            acting.note(request, actor)
            if scope not in actor.key.scopes and EVERYTHING not in actor.key.scopes:
                self.audit.note(acting.entry(request, self.audit.vault, "403"))
                raise Forbidden(f"this API key lacks the scope {scope}")

        dependency: Callable[[Request], Awaitable[None]] = check
        return Depends(dependency)

    def metrics(self) -> list[Any]:
        """What `GET /metrics` depends on: nothing, unless the settings ask for a key."""
        return [] if self._open_metrics else [self.needs("metrics:read")]

    async def _actor(self, request: Request) -> Actor:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        address = self._visitors.address(request)
        found = None
        if scheme.lower() == "bearer" and key.strip():
            found = await self._find(key.strip(), caller(address))
        if found is None:
            raise Unauthorized("send an API key: Authorization: Bearer cdp_…")
        if self._rates.key is not None:
            await self._rates.limits.take(self._rates.key, f"api {found.id}")
        return Actor(found, address)

    async def _find(self, key: str, who: str) -> ApiKey | None:
        """None when it is unknown. Who has tried too many is not even looked up for."""
        hashed, now = keys.hashed(key), time.monotonic()
        until, known = self._known.get(hashed, (0.0, None))
        if known is not None and now < until:
            return known
        limits, failures = self._rates.limits, self._rates.failures
        if known is None:
            await limits.check(failures, who)
        async with self._database.transaction() as connection:
            found = await keys.api_key(connection, key)
        if found is None:
            self._known.pop(hashed, None)
            await limits.take(failures, who)
        else:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            left = _TTL if found.seconds is None else min(_TTL, found.seconds)
            self._known[hashed] = (now + left, found)
        return found
