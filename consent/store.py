"""Consent's SQL: the decision that counts per subject and signal, and the purposes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from cdp.db import Connection, named
from cdp.events import SubjectId
from consent.model import Decision
from consent.purposes import DEFAULT_PURPOSES, Purpose, by_channel
from consent.stamps import GPC

_PUT = named(
    """
    insert into decisions (subject, signal, state, at, event, source, jurisdiction, notice)
    select * from unnest(cast(:subjects as bytea[]), cast(:signals as text[]),
                         cast(:states as text[]), cast(:ats as bigint[]),
                         cast(:events as bytea[]), cast(:sources as text[]),
                         cast(:jurisdictions as text[]), cast(:notices as text[]))
    on conflict (subject, signal) do update
       set state = excluded.state, at = excluded.at, event = excluded.event,
           source = excluded.source, jurisdiction = excluded.jurisdiction, notice = excluded.notice
     where case when excluded.signal = :gpc
                then (excluded.at, excluded.event) < (decisions.at, decisions.event)
                else (excluded.at, excluded.state = 'denied', excluded.event)
                   > (decisions.at, decisions.state = 'denied', decisions.event) end
    """
)
_OF = named(
    """
    select subject, signal, state, at, event, source, jurisdiction, notice from decisions
     where subject = any(:subjects)
    """
)
_PUT_SEEN = named(
    """
    insert into seen_in (subject, code)
    select * from unnest(cast(:subjects as bytea[]), cast(:codes as text[]))
    on conflict do nothing
    """
)
_SEEN = named("select subject, code from seen_in where subject = any(:subjects)")
_PURPOSES = named(
    """
    select key, name, by_default, signals, bases, validity_days, channels, retention_days
      from purposes order by key
    """
)
_INSERT_PURPOSE = """
    insert into purposes (key, name, by_default, signals, bases, validity_days, channels,
                          retention_days)
    values (:key, :name, :by_default, :signals, cast(:bases as jsonb), :validity_days, :channels,
            :retention_days)
"""
_PUT_PURPOSE = named(
    _INSERT_PURPOSE
    + """
    on conflict (key) do update
       set name = excluded.name, by_default = excluded.by_default, signals = excluded.signals,
           bases = excluded.bases, validity_days = excluded.validity_days,
           channels = excluded.channels, retention_days = excluded.retention_days
    """
)
_SEED = named(_INSERT_PURPOSE + " on conflict (key) do nothing")
# Of what was decided on storing events: put the subjects in one list, take them out of the other.
_DECIDED = """
    with moved as (
        delete from {other} where subject = any(:subjects) returning subject),
    put as (
        insert into {list} (subject) select unnest(cast(:subjects as bytea[]))
        on conflict do nothing returning subject)
    select subject from moved union select subject from put
"""
_SET_COLLECTION = {
    False: named(_DECIDED.format(other="collectable", list="uncollectable")),
    True: named(_DECIDED.format(other="uncollectable", list="collectable")),
    None: named(
        """
        with refused as (
            delete from uncollectable where subject = any(:subjects) returning subject),
        allowed as (
            delete from collectable where subject = any(:subjects) returning subject)
        select subject from refused union select subject from allowed
        """
    ),
}
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
        "jurisdictions": [decision.jurisdiction for _, decision in rows],
        "notices": [decision.notice for _, decision in rows],
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


async def put_seen(connection: Connection, seen: Collection[tuple[SubjectId, str]]) -> None:
    """Note subjects and jurisdictions that they were seen in."""
    rows = sorted(seen)
    values = {"subjects": [row[0] for row in rows], "codes": [row[1] for row in rows]}
    await connection.execute(_PUT_SEEN, values)


async def seen(
    connection: Connection, subjects: Collection[SubjectId]
) -> Mapping[SubjectId, list[str]]:
    """The jurisdictions that each of these subjects was seen in."""
    found: dict[SubjectId, list[str]] = {}
    for subject, code in await connection.execute(_SEEN, {"subjects": list(subjects)}):
        found.setdefault(subject, []).append(code)
    return found


async def purposes(connection: Connection) -> list[Purpose]:
    """Every purpose that somebody can decide on: also the channels of those with several."""
    return [part for each in await defined(connection) for part in by_channel(each)]


async def defined(connection: Connection) -> list[Purpose]:
    """Every purpose as it was defined."""
    rows = await connection.execute(_PURPOSES)
    return [
        Purpose(key, name, default, tuple(signals), _bases(bases), days, tuple(channels), kept)
        for key, name, default, signals, bases, days, channels, kept in rows
    ]


def _bases(stored: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {regime: (basis, state) for regime, (basis, state) in stored.items()}


async def put_purpose(connection: Connection, purpose: Purpose) -> None:
    """Create or change a purpose."""
    await connection.execute(_PUT_PURPOSE, _fields(purpose))
    await connection.execute(_RENEW)


async def seed(connection: Connection) -> None:
    """The purposes an instance is born with; those that operators changed stay as they are."""
    for purpose in DEFAULT_PURPOSES:
        await connection.execute(_SEED, _fields(purpose))


def _fields(purpose: Purpose) -> dict[str, object]:
    return purpose._asdict() | {
        "signals": list(purpose.signals),
        "channels": list(purpose.channels),
        "bases": msgspec.json.encode(purpose.bases).decode(),
    }


async def set_collection(
    connection: Connection, subjects: Collection[SubjectId], *, collect: bool | None
) -> None:
    """Tell the collectors whether events of these subjects may be stored; None: by law."""
    rows = await connection.execute(_SET_COLLECTION[collect], {"subjects": sorted(subjects)})
    changed = [row[0] for row in rows]
    if changed:
        await connection.execute(_FORGET, {"subjects": changed})
