"""Consent's SQL: the decision that counts per subject and signal, and the purposes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cdp.db import Connection, named
from cdp.events import SubjectId
from consent.model import DEFAULT_PURPOSES, GPC, Decision, Purpose

_PUT = named(
    """
    insert into decisions (subject, signal, state, at, event, source)
    select * from unnest(cast(:subjects as bytea[]), cast(:signals as text[]),
                         cast(:states as text[]), cast(:ats as bigint[]),
                         cast(:events as bytea[]), cast(:sources as text[]))
    on conflict (subject, signal) do update
       set state = excluded.state, at = excluded.at, event = excluded.event,
           source = excluded.source
     where case when excluded.signal = :gpc
                then (excluded.at, excluded.event) < (decisions.at, decisions.event)
                else (excluded.at, excluded.state = 'denied', excluded.event)
                   > (decisions.at, decisions.state = 'denied', decisions.event) end
    """
)
_OF = named(
    """
    select subject, signal, state, at, event, source from decisions where subject = any(:subjects)
    """
)
_PURPOSES = named("select key, name, by_default, signals from purposes order by key")
_PUT_PURPOSE = named(
    """
    insert into purposes (key, name, by_default, signals)
    values (:key, :name, :by_default, :signals)
    on conflict (key) do update
       set name = excluded.name, by_default = excluded.by_default, signals = excluded.signals
    """
)
_SEED = named(
    """
    insert into purposes (key, name, by_default, signals)
    values (:key, :name, :by_default, :signals) on conflict (key) do nothing
    """
)
_CLOSE = named(
    """
    insert into uncollectable (subject) select unnest(cast(:subjects as bytea[]))
    on conflict do nothing returning subject
    """
)
_OPEN = named("delete from uncollectable where subject = any(:subjects) returning subject")
_RENEW = named("select pg_notify('cdp_subjects', 'purposes')")
_FORGET = named(
    "select pg_notify('cdp_subjects', encode(s, 'hex')) from unnest(cast(:subjects as bytea[])) s"
)


async def put(connection: Connection, facts: Iterable[tuple[SubjectId, Decision]]) -> None:
    """Fold decisions in. They must be one per subject and signal."""
    rows = sorted(facts)
    values = {
        "subjects": [subject for subject, _ in rows],
        "signals": [decision.signal for _, decision in rows],
        "states": [decision.state for _, decision in rows],
        "ats": [decision.at for _, decision in rows],
        "events": [decision.event for _, decision in rows],
        "sources": [decision.source for _, decision in rows],
        "gpc": GPC,
    }
    await connection.execute(_PUT, values)


async def of(
    connection: Connection, subjects: Collection[SubjectId]
) -> dict[SubjectId, list[Decision]]:
    """What counts for each of these subjects."""
    found: dict[SubjectId, list[Decision]] = {}
    for subject, *fields in await connection.execute(_OF, {"subjects": list(subjects)}):
        found.setdefault(subject, []).append(Decision(*fields))
    return found


async def purposes(connection: Connection) -> list[Purpose]:
    """Every purpose."""
    rows = await connection.execute(_PURPOSES)
    return [Purpose(key, name, default, tuple(signals)) for key, name, default, signals in rows]


async def put_purpose(connection: Connection, purpose: Purpose) -> None:
    """Create or change a purpose."""
    await connection.execute(_PUT_PURPOSE, _fields(purpose))
    await connection.execute(_RENEW)


async def seed(connection: Connection) -> None:
    """The purposes an instance is born with; those that operators changed stay as they are."""
    for purpose in DEFAULT_PURPOSES:
        await connection.execute(_SEED, _fields(purpose))


def _fields(purpose: Purpose) -> dict[str, object]:
    return purpose._asdict() | {"signals": list(purpose.signals)}


async def set_collection(
    connection: Connection, subjects: Collection[SubjectId], *, collect: bool
) -> None:
    """Tell the collectors whether events of these subjects may be stored."""
    statement = _OPEN if collect else _CLOSE
    rows = await connection.execute(statement, {"subjects": sorted(subjects)})
    changed = [row[0] for row in rows]
    if changed:
        await connection.execute(_FORGET, {"subjects": changed})
