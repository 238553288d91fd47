"""What broke the contract is kept, sealed, with its reason, until someone mends and replays it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cdp.db import Connection, Row, named
from cdp.events import Instant
from cdp.log.vault import Vault
from cdp.times import SECOND

SEALED_AS = b"quarantine"

_ADD = named(
    """
    insert into quarantine (ref, source, key_hash, received_at, reason, field, route, body)
    select i, s, k, to_timestamp(r / 1e6), w, f, t, b
      from unnest(cast(:refs as bytea[]), cast(:sources as int[]), cast(:keys as bytea[]),
                  cast(:received as bigint[]), cast(:reasons as text[]), cast(:fields as text[]),
                  cast(:routes as text[]), cast(:bodies as bytea[])) u(i, s, k, r, w, f, t, b)
    on conflict (ref) do nothing
    """
)
_LIST = named(
    """
    select id, ref, source, key_hash, received_at, reason, field, route, body from quarantine
     where replayed_at is null and id > :after
       and (cast(:ids as bigint[]) is null or id = any(cast(:ids as bigint[])))
     order by id limit :limit
    """
)
_DONE = named("update quarantine set replayed_at = now(), body = '' where id = any(:ids)")
_COUNT = named("select count(*) from quarantine where replayed_at is null")


class Refusal(NamedTuple):
    """One message that was not taken, and why, in words that name the field and the fix."""

    ref: bytes  # 16 random bytes: storing it again is a no-op
    source: int | None
    key_hash: bytes
    received_at: Instant
    reason: str
    field: str
    route: str
    body: bytes


class Quarantined(NamedTuple):
    """A refusal as it is kept."""

    id: int
    refusal: Refusal


async def add(connection: Connection, vault: Vault, refusals: Sequence[Refusal]) -> None:
    """Keep refusals, in the caller's transaction."""
    columns = list(zip(*refusals, strict=True))
    names = ("refs", "sources", "keys", "received", "reasons", "fields", "routes")
    values: dict[str, Any] = {
        name: list(column) for name, column in zip(names, columns[:7], strict=True)
    }
    values["bodies"] = [vault.system.seal(body, SEALED_AS) for body in columns[7]]
    await connection.execute(_ADD, values)


async def listed(
    connection: Connection,
    vault: Vault,
    *,
    after: int = 0,
    limit: int = 100,
    ids: list[int] | None = None,
) -> list[Quarantined]:
    """What is still open, oldest first, after a given id."""
    rows = await connection.execute(_LIST, {"after": after, "limit": limit, "ids": ids})
    return [_opened(row, vault) for row in rows]


def _opened(row: Row, vault: Vault) -> Quarantined:
    identity, ref, source, key_hash, received_at, reason, field, route, body = row
    plain = vault.system.open(body, SEALED_AS)
    instant = round(received_at.timestamp() * SECOND)
    return Quarantined(
        identity, Refusal(ref, source, key_hash, instant, reason, field, route, plain)
    )


async def close(connection: Connection, ids: list[int]) -> None:
    """Mark as replayed; the body is not needed any more."""
    await connection.execute(_DONE, {"ids": ids})


async def count(connection: Connection) -> int:
    """How many are open."""
    return int((await connection.execute(_COUNT)).scalar_one())
