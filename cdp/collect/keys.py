"""Write keys and API keys: minted here, stored as hashes, found wherever an SDK puts them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import string
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cdp.db import Connection, Database, named

_ALPHABET = string.ascii_lowercase + string.digits
_TTL = 30.0  # seconds until a cached key is looked up again

_SOURCES = named("select id, name, key_hash, origins from sources where revoked_at is null")
_ADD_SOURCE = named(
    """
    insert into sources (name, key_hash, origins) values (:name, :hash, :origins)
    on conflict do nothing
    """
)
_ADD_API_KEY = named(
    """
    insert into api_keys (name, key_hash, scopes) values (:name, :hash, :scopes)
    on conflict do nothing
    """
)
_API_KEY = named("select scopes from api_keys where key_hash = :hash and revoked_at is null")

_REVOKE = (
    named("update sources set revoked_at = now() where key_hash = :hash and revoked_at is null"),
    named("update api_keys set revoked_at = now() where key_hash = :hash and revoked_at is null"),
)


class Source(NamedTuple):
    """Something that sends events."""

    id: int
    name: str
    origins: frozenset[str]  # web origins that may use the key; empty: any


def new_write_key() -> str:
    """25 characters, lower-case alphanumeric, starting with `c`: the form every SDK accepts."""
    return "c" + "".join(secrets.choice(_ALPHABET) for _ in range(24))


def new_api_key() -> str:
    """An operator's key; recognisable, so that scanners find it where it should not be."""
    return "cdp_" + secrets.token_urlsafe(30)


def hashed(key: str) -> bytes:
    """What is stored of a key. Keys are random, so a plain hash is enough."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


async def add_source(
    connection: Connection, name: str, key: str, origins: Sequence[str] = ()
) -> None:
    """Register a write key; with origins, web pages of others may not use it."""
    values = {"name": name, "hash": hashed(key), "origins": list(origins)}
    await connection.execute(_ADD_SOURCE, values)


async def add_api_key(connection: Connection, name: str, key: str, scopes: list[str]) -> None:
    """Register an API key."""
    values = {"name": name, "hash": hashed(key), "scopes": scopes}
    await connection.execute(_ADD_API_KEY, values)


async def scopes_of(connection: Connection, key: str) -> frozenset[str] | None:
    """What an API key may do; None when it is not known."""
    row = (await connection.execute(_API_KEY, {"hash": hashed(key)})).first()
    return frozenset(row[0]) if row else None


async def revoke(connection: Connection, key: str) -> bool:
    """Make a key useless; False if there is none."""
    values = {"hash": hashed(key)}
    return any([(await connection.execute(each, values)).rowcount for each in _REVOKE])


class Sources:
    """Sources by the hash of their write key, cached for a moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_hash: dict[bytes, Source] = {}
        self._loaded = float("-inf")
        self._missed: dict[bytes, float] = {}

    async def find(self, key_hash: bytes) -> Source | None:
        """The source that a key belongs to, or None."""
        now = time.monotonic()
        if now - self._loaded > _TTL:
            await self._load(now)
        source = self._by_hash.get(key_hash)
        if source is None and now - self._missed.get(key_hash, float("-inf")) > 1.0:
            await self._load(now)  # it may have been minted a moment ago
            source = self._by_hash.get(key_hash)
            if source is None:
                if len(self._missed) > 1000:
                    self._missed.clear()
                self._missed[key_hash] = now
        return source

    def forget_misses(self) -> None:
        """Look unknown keys up again at once: they may have been minted since."""
        self._missed.clear()

    async def _load(self, now: float) -> None:
        rows = await self._database.rows(_SOURCES)
        self._by_hash = {
            key_hash: Source(number, name, frozenset(origins))
            for number, name, key_hash, origins in rows
        }
        self._loaded = now


def write_keys(body_key: object, headers: Mapping[str, str], query_key: str | None) -> list[str]:
    """The first key found: body, Basic user name, X-Write-Key, Bearer, query. Empty if none.

    A masked key in the body (`***`, `id:***`) is no key. Of a Basic value one trailing colon is
    taken off; what is left may be a key with a colon inside (Jitsu's are `id:secret`), or a key and
    any password: all readings are returned, the longest first.
    """
    if isinstance(body_key, str) and body_key and not body_key.endswith("***"):
        return [body_key]
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            decoded = ""
        user = decoded.partition(":")[0]
        if user:
            readings = (decoded.removesuffix(":"), decoded.rpartition(":")[0], user)
            return list(dict.fromkeys(reading for reading in readings if reading))
    if headers.get("x-write-key"):
        return [headers["x-write-key"]]
    if scheme.lower() == "bearer" and value.strip():
        return [value.strip()]
    return [query_key] if query_key else []
