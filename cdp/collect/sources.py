"""Sources by their write keys: remembered, and looked up again without keeping anybody waiting."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import NamedTuple

from cdp.db import Database, named
from cdp.errors import StoreUnavailable
from cdp.stopping import heed_cancellation

_TTL = 30.0  # seconds until a cached key is looked up again
_PATIENCE = 1.0  # seconds the store has for that, and how long it is then left alone
_MOST_MISSES = 20  # keys nobody knows that are looked up in a second; the others just miss

_SOURCES = named(
    "select id, name, key_hash, origins, necessary from sources where revoked_at is null"
)
_USED = named("update sources set used_at = now() where id = any(:ids)")


class Source(NamedTuple):
    """Something that sends events."""

    id: int
    name: str
    origins: frozenset[str]  # web origins that may use the key; empty: any
    necessary: bool = False  # what it sends is needed to serve people: stored whatever they decide


class Sources:
    """Sources by the hash of their write key, cached until a store that answers is asked again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_hash: dict[bytes, Source] = {}
        self._loaded = float("-inf")
        self._missed: dict[bytes, float] = {}
        self._loading: asyncio.Task[None] | None = None
        self._away_until = float("-inf")
        self._misses: tuple[int, int] = (0, 0)  # in which second, and how many
        self._used: set[int] = set()  # whose use has been noted a moment ago
        self._noted = float("-inf")
        self._unnoted: set[int] = set()
        self._seen = asyncio.Event()

    async def find(self, key_hash: bytes) -> Source | None:
        """The source that a key belongs to, or None; StoreUnavailable when that cannot be told."""
        now = time.monotonic()
        source = self._by_hash.get(key_hash)
        if now - self._loaded > _TTL:
            try:
                await self._renew()
            except StoreUnavailable:
                if source is None:
                    raise
                return source  # a key that was good is, until the store says otherwise
            source = self._by_hash.get(key_hash)
        if source is None and now - self._missed.get(key_hash, float("-inf")) > 1.0:
            source = await self._minted(key_hash, now)
        if source is not None and source.id not in self._used:
            self._used.add(source.id)
            self._unnoted.add(source.id)
            self._seen.set()
        return source

    async def _minted(self, key_hash: bytes, now: float) -> Source | None:
        """It may have been minted a moment ago; whoever tries many keys is not looked up for."""
        second, misses = self._misses
        misses = misses + 1 if second == int(now) else 1
        self._misses = int(now), misses
        if misses > _MOST_MISSES:
            return None
        await self._renew()
        source = self._by_hash.get(key_hash)
        if source is None:
            if len(self._missed) > 1000:
                self._missed.clear()
            self._missed[key_hash] = now
        return source

    def forget_misses(self) -> None:
        """Look unknown keys up again at once: they may have been minted since."""
        self._missed.clear()

    async def _renew(self) -> None:
        """Load all as of now or later, once for everybody who waits."""
        if time.monotonic() < self._away_until:
            raise StoreUnavailable("the sources did not come a moment ago")
        await self._done()  # it began before we asked
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        await self._done()

    async def _done(self) -> None:
        loading = self._loading
        if loading is None:
            return
        done, _ = await asyncio.wait({loading}, timeout=_PATIENCE)
        if not done:
            self._away_until = time.monotonic() + _PATIENCE
            raise StoreUnavailable("the sources do not come")
        if self._loading is loading:
            self._loading = None
        loading.result()

    async def _load(self) -> None:
        rows = await self._database.rows(_SOURCES)
        self._by_hash = {
            key_hash: Source(number, name, frozenset(origins), necessary)
            for number, name, key_hash, origins, necessary in rows
        }
        self._loaded = time.monotonic()
        if self._loaded - self._noted > _TTL:
            self._noted = self._loaded
            self._used.clear()

    async def run(self) -> None:
        """Note which keys are in use, beside the requests; use is told roughly."""
        while True:
            await self._seen.wait()
            self._seen.clear()
            ids, self._unnoted = list(self._unnoted), set()
            with contextlib.suppress(StoreUnavailable):
                await self._database.rows(_USED, ids=ids)
            heed_cancellation()
