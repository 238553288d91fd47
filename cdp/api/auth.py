"""Who may do what: API keys with scopes, as Bearer tokens."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends, Request

from cdp.collect import keys
from cdp.db import Database
from cdp.errors import Forbidden, Unauthorized

SCOPES = (
    "profiles:read",
    "identity:read",
    "identity:write",
    "segments:read",
    "segments:write",
    "consent:read",
    "consent:write",
    "destinations:read",
    "destinations:write",
    "quarantine:read",
    "quarantine:write",
)
_TTL = 10.0  # seconds a key's scopes are remembered: a revoked key works no longer than this


class Keys:
    """Scopes by API key, remembered for a moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[float, frozenset[str]]] = {}

    async def scopes(self, key: str) -> frozenset[str] | None:
        """What a key may do; None when it is unknown."""
        hashed, now = keys.hashed(key), time.monotonic()
        known = self._known.get(hashed)
        if known and now - known[0] < _TTL:
            return known[1]
        async with self._database.transaction() as connection:
            scopes = await keys.scopes_of(connection, key)
        if scopes is not None:
            self._known[hashed] = (now, scopes)
        return scopes

    def needs(self, scope: str) -> Any:
        """A dependency that lets only keys with this scope through."""

        async def check(request: Request) -> None:
            scheme, _, key = request.headers.get("authorization", "").partition(" ")
            scopes = await self.scopes(key.strip()) if scheme.lower() == "bearer" and key else None
            if scopes is None:
                raise Unauthorized("send an API key: Authorization: Bearer cdp_…")
            if scope not in scopes and "*" not in scopes:
                raise Forbidden(f"this API key lacks the scope {scope}")

        dependency: Callable[[Request], Awaitable[None]] = check
        return Depends(dependency)
