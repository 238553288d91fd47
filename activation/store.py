"""The SQL of destinations and of the delivery ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from activation.model import Delivery, Destination, State
from cdp.db import Connection, named
from cdp.events import Instant

_COLUMNS = "id, destination, profile, segment, kind, at, purpose, state, attempts, origin, cause"
_ADD = named(
    """
    insert into deliveries (id, destination, profile, segment, kind, at, purpose, state, origin,
                            cause)
    select i, d, p, s, k, a, u, 'requested', o, c
      from unnest(cast(:ids as bytea[]), cast(:destinations as text[]), cast(:profiles as bytea[]),
                  cast(:segments as text[]), cast(:kinds as text[]), cast(:ats as bigint[]),
                  cast(:purposes as text[]), cast(:origins as bytea[]),
                  cast(:causes as text[])) x(i, d, p, s, k, a, u, o, c)
    on conflict (id) do nothing
    """
)
_CLAIM = named(
    f"select {_COLUMNS} from deliveries where id = any(:ids)"  # noqa: S608 - our own constant
    " and state in ('requested', 'delayed', 'retrying', 'sending') order by id for update"
)
_LOOKUP = named(f"select {_COLUMNS} from deliveries where id = :id")  # noqa: S608
_MARK = named(
    """
    update deliveries x
       set state = u.state, reason = u.reason, due = u.due, status = coalesce(u.status, x.status),
           attempts = x.attempts + u.tried, consent = coalesce(cast(u.consent as jsonb), x.consent),
           body = case when u.state not in ('sent', 'refused', 'parked')
                       or u.state = 'parked' and x.kind = 'message' then x.body end,
           certain = x.certain and (u.state <> 'sending' or x.state <> 'sending'),
           updated_at = now()
      from unnest(cast(:ids as bytea[]), cast(:states as text[]), cast(:reasons as text[]),
                  cast(:dues as bigint[]), cast(:statuses as int[]), cast(:tried as int[]),
                  cast(:consents as text[]), cast(:attempts as int[]))
           u(id, state, reason, due, status, tried, consent, attempt)
     where x.id = u.id and (u.attempt is null or x.state = 'sending' and x.attempts = u.attempt)
    """
)
_DUE = named(
    f"""
    update deliveries set due = null
     where id in (select id from deliveries where due <= :now order by due limit :limit
                     for update skip locked)
    returning {_COLUMNS}
    """  # noqa: S608
)
_LIST = named(
    f"""
    select {_COLUMNS}, consent, reason, status, due, created_at, updated_at, certain
      from deliveries
     where (cast(:profiles as bytea[]) is null or profile = any(cast(:profiles as bytea[])))
       and (cast(:destination as text) is null or destination = :destination)
       and (cast(:state as text) is null or state = :state)
       and (created_at, id) > (cast(:after_at as timestamptz), cast(:after_id as bytea))
     order by created_at, id limit :limit
    """  # noqa: S608
)
_BODIES = named("select id, body from deliveries where id = any(:ids) and body is not null")
_PUT_BODIES = named(
    """
    update deliveries d set body = u.body
      from unnest(cast(:ids as bytea[]), cast(:bodies as bytea[])) u(id, body) where d.id = u.id
    """
)
_DESTINATIONS = named("select key, config, secret from destinations order by key")
_PUT_DESTINATION = named(
    """
    insert into destinations (key, config, secret)
    values (:key, cast(:config as json), :secret)
    on conflict (key) do update
       set config = excluded.config, secret = excluded.secret, updated_at = now()
    """
)
_DROP_DESTINATION = named("delete from destinations where key = :key returning key")


COMMON = tuple(name for name in Destination.__slots__ if name not in {"key", "settings"})
# what older processes do not know
_NEW = {
    "channel": "",
    "consent_events": False,
    "corrections": True,
    "concurrency": 64,
    "rate": None,
}


class Mark(NamedTuple):
    """A step of a delivery for the ledger.

    With `attempt` it is what came of that try, and counts only while no other has begun.
    """

    id: bytes
    state: State
    reason: str = ""
    due: Instant | None = None
    status: int | None = None
    tried: int = 0
    consent: Mapping[str, Any] | None = None
    attempt: int | None = None


class Listed(NamedTuple):
    """A delivery as people read it."""

    delivery: Delivery
    consent: dict[str, Any] | None
    reason: str
    status: int | None
    due: Instant | None
    created_at: datetime
    updated_at: datetime
    certain: bool  # False: a try before this one may have arrived, and nobody noted it


class Stored(NamedTuple):
    """A destination, and its secrets, sealed."""

    destination: Destination
    secret: bytes


async def add(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """Request deliveries; one that was requested before stays as it is."""
    columns = list(zip(*((*each[:7], *each[9:]) for each in deliveries), strict=True))
    told = "ids destinations profiles segments kinds ats purposes origins causes"
    names = told.split()
    values = {name: list(column) for name, column in zip(names, columns, strict=True)}
    await connection.execute(_ADD, values)


async def claim(connection: Connection, ids: Collection[bytes]) -> list[Delivery]:
    """Lock those of these deliveries that are still to be made."""
    return [Delivery(*row) for row in await connection.execute(_CLAIM, {"ids": list(ids)})]


async def lookup(connection: Connection, delivery: bytes) -> Delivery | None:
    """One delivery, whatever its state."""
    row = (await connection.execute(_LOOKUP, {"id": delivery})).first()
    return Delivery(*row) if row is not None else None


async def mark(connection: Connection, marks: Iterable[Mark]) -> None:
    """Write steps to the ledger."""
    rows = list(marks)
    if not rows:
        return
    values = {
        "ids": [row.id for row in rows],
        "states": [row.state for row in rows],
        "reasons": [row.reason for row in rows],
        "dues": [row.due for row in rows],
        "statuses": [row.status for row in rows],
        "tried": [row.tried for row in rows],
        "consents": [
            msgspec.json.encode(row.consent).decode() if row.consent else None for row in rows
        ],
        "attempts": [row.attempt for row in rows],
    }
    await connection.execute(_MARK, values)


async def bodies(connection: Connection, ids: Collection[bytes]) -> dict[bytes, bytes]:
    """What these deliveries say, sealed, where that was written down beforehand."""
    return {row[0]: row[1] for row in await connection.execute(_BODIES, {"ids": list(ids)})}


async def put_bodies(connection: Connection, sealed: Mapping[bytes, bytes]) -> None:
    """Write down what deliveries say; it is gone once they are made, or given up."""
    values = {"ids": list(sealed), "bodies": list(sealed.values())}
    await connection.execute(_PUT_BODIES, values)


async def take_due(connection: Connection, now: Instant, limit: int) -> list[Delivery]:
    """Deliveries to be tried again, among them those whose worker died; handed out once."""
    return [Delivery(*row) for row in await connection.execute(_DUE, {"now": now, "limit": limit})]


async def listed(
    connection: Connection,
    *,
    profiles: Sequence[bytes] | None = None,
    destination: str | None = None,
    state: str | None = None,
    after: tuple[datetime, bytes],
    limit: int,
) -> list[Listed]:
    """The ledger, oldest first."""
    values = {
        "profiles": list(profiles) if profiles is not None else None,
        "destination": destination,
        "state": state,
        "after_at": after[0],
        "after_id": after[1],
        "limit": limit,
    }
    rows = await connection.execute(_LIST, values)
    return [Listed(Delivery(*row[:11]), *row[11:]) for row in rows]


async def destinations(connection: Connection) -> list[Stored]:
    """Every destination."""
    rows = await connection.execute(_DESTINATIONS)
    return [Stored(_destination(key, config), secret) for key, config, secret in rows]


async def find(connection: Connection, key: str) -> Stored | None:
    """One destination."""
    found = [each for each in await destinations(connection) if each.destination.key == key]
    return found[0] if found else None


async def put(connection: Connection, destination: Destination, secret: bytes) -> None:
    """Create or change a destination."""
    config = {name: getattr(destination, name) for name in COMMON}
    for name, usual in _NEW.items():
        if config[name] == usual:
            del config[name]
    encoded = msgspec.json.encode(config | dict(destination.settings)).decode()
    values = {"key": destination.key, "config": encoded, "secret": secret}
    await connection.execute(_PUT_DESTINATION, values)


async def delete(connection: Connection, key: str) -> bool:
    """Remove a destination; its deliveries stay in the ledger."""
    return (await connection.execute(_DROP_DESTINATION, {"key": key})).first() is not None


def _destination(key: str, config: dict[str, Any]) -> Destination:
    common = {name: config.pop(name) for name in COMMON if name in config}
    segments = tuple(common.pop("segments"))
    return Destination(key=key, settings=config, segments=segments, **common)
