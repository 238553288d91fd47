"""Write keys and API keys: minted here, stored as hashes, found wherever an SDK puts them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import string
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from cdp.db import Connection, named

_ALPHABET = string.ascii_lowercase + string.digits

_ADD_SOURCE = named(
    """
    insert into sources (name, key_hash, origins, necessary, retention_days)
    values (:name, :hash, :origins, :necessary, :retention_days)
    on conflict do nothing
    """
)
_ADD_API_KEY = named(
    """
    insert into api_keys (name, key_hash, scopes, expires_at)
    values (:name, :hash, :scopes, now() + make_interval(days => :days))
    on conflict do nothing
    """
)
_API_KEY = named(
    """
    select id, name, scopes, extract(epoch from expires_at - now())::float8 from api_keys
    where key_hash = :hash and revoked_at is null and (expires_at is null or expires_at > now())
    """
)
_USED = named(
    """
    update api_keys set used_at = now()
    where id = :id and (used_at is null or used_at < now() - interval '1 minute')
    """
)
_REVOKE = (
    named(
        """
        update sources set revoked_at = now()
        where (key_hash = :hash or 'write:' || id = :id) and revoked_at is null returning name
        """
    ),
    named(
        """
        update api_keys set revoked_at = now()
        where (key_hash = :hash or 'api:' || id = :id) and revoked_at is null returning name
        """
    ),
)
_LISTED = named(
    """
    select 'write', id, name, origins, created_at, used_at, null, revoked_at, retention_days
      from sources
    union all
    select 'api', id, name, scopes, created_at, used_at, expires_at, revoked_at, null from api_keys
    order by 5, 2
    """
)


class ApiKey(NamedTuple):
    """Somebody who may read and change what the scopes say."""

    id: int
    name: str
    scopes: frozenset[str]
    seconds: float | None  # until it expires


class Key(NamedTuple):
    """A key as lists show it; `bounds` are its scopes, or the origins it may be used from."""

    kind: str
    id: int
    name: str
    bounds: list[str]
    created_at: datetime
    used_at: datetime | None  # to the minute
    expires_at: datetime | None
    revoked_at: datetime | None
    retention_days: int | None  # of what a write key's source sends


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
    connection: Connection,
    name: str,
    key: str,
    origins: Sequence[str] = (),
    *,
    necessary: bool = False,
    retention_days: int | None = None,
) -> None:
    """Register a write key; with origins, web pages of others may not use it.

    What a `necessary` source sends is stored whatever people decide on analytics. It is kept for
    `retention_days` from its receipt on, for good if they are not given.
    """
    values = {
        "name": name,
        "hash": hashed(key),
        "origins": list(origins),
        "necessary": necessary,
        "retention_days": retention_days,
    }
    await connection.execute(_ADD_SOURCE, values)


async def add_api_key(
    connection: Connection, name: str, key: str, scopes: list[str], *, days: int | None = None
) -> None:
    """Register an API key, for some days or for good."""
    values = {"name": name, "hash": hashed(key), "scopes": scopes, "days": days}
    await connection.execute(_ADD_API_KEY, values)


async def api_key(connection: Connection, key: str) -> ApiKey | None:
    """Who has this API key, and note that it is used; None if it is not known, or not any more."""
    row = (await connection.execute(_API_KEY, {"hash": hashed(key)})).first()
    if row is None:
        return None
    await connection.execute(_USED, {"id": row[0]})
    return ApiKey(row[0], row[1], frozenset(row[2]), row[3])


async def revoke(connection: Connection, key: str) -> str | None:
    """Make a key useless, given it or its id; the name it had, or None if there is none."""
    values = {"hash": hashed(key), "id": key}
    names = [(await connection.execute(each, values)).scalar() for each in _REVOKE]
    return next((name for name in names if name is not None), None)


async def listed(connection: Connection) -> list[Key]:
    """Every key there ever was, the oldest first."""
    return [Key(*row) for row in await connection.execute(_LISTED)]


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
