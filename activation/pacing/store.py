"""The SQL of pacing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from activation.pacing.model import Policy, Slot
from activation.pacing.schema import PacingSchema, policy_of, written
from cdp.db import Connection, named
from cdp.events import Instant, ProfileId

EVERYBODY = ""  # the cohort of all

_POLICY = named("select config from pacing")
_PUT = named(
    """
    insert into pacing (config) values (cast(:config as json))
    on conflict (id) do update set config = excluded.config, updated_at = now()
    """
)
_LOCK = named("select pg_advisory_xact_lock(:space, k) from unnest(cast(:keys as int[])) k")
_SLOTS = named(
    "select profile, at, channel, purpose from pacing_slots"
    " where profile = any(:profiles) and at > :since"
)
_TAKE = named(
    """
    insert into pacing_slots (delivery, profile, channel, purpose, at)
    select * from unnest(cast(:ids as bytea[]), cast(:profiles as bytea[]),
                         cast(:channels as text[]), cast(:purposes as text[]),
                         cast(:ats as bigint[]))
    on conflict (delivery) do nothing
    """
)
_HAVE = named("select delivery from pacing_slots where delivery = any(:ids)")
_GIVE_BACK = named("delete from pacing_slots where delivery = any(:ids)")
_FORGET = named("delete from pacing_slots where at < :before")
_WAITING = named(
    "select id, destination, profile, purpose, at, body from deliveries"
    " where profile = any(:profiles) and kind = 'message' and state in ('requested', 'delayed')"
    " and body is not null and not exists (select from pacing_slots s where s.delivery = id)"
)
_HOURS = named("select cohort, hour, times from pacing_hours where cohort = any(:cohorts)")
_DROP_HOURS = named("delete from pacing_hours")
_PUT_HOURS = named(
    "insert into pacing_hours (cohort, hour, times) select * from"
    " unnest(cast(:cohorts as text[]), cast(:hours as smallint[]), cast(:times as bigint[]))"
)


class Taken(NamedTuple):
    """Room that a message takes."""

    delivery: bytes
    profile: ProfileId
    slot: Slot


class Waiting(NamedTuple):
    """A message that has not gone yet; what it says is sealed."""

    id: bytes
    destination: str
    profile: ProfileId
    purpose: str
    at: Instant
    body: bytes


async def policy(connection: Connection) -> Policy:
    """What holds now."""
    row = (await connection.execute(_POLICY)).first()
    return Policy() if row is None else policy_of(PacingSchema().load(row[0]))


async def put(connection: Connection, policy: Policy) -> None:
    """Put it in force for what is sent from now on."""
    encoded = msgspec.json.encode(written(policy)).decode()
    await connection.execute(_PUT, {"config": encoded})


async def lock(connection: Connection, space: int, profiles: Collection[ProfileId]) -> None:
    """Until the transaction's end nobody else decides about messages to these people."""
    keys = sorted({int.from_bytes(each[:4], signed=True) for each in profiles})
    await connection.execute(_LOCK, {"space": space, "keys": keys})


async def slots(
    connection: Connection, profiles: Collection[ProfileId], since: Instant
) -> list[tuple[ProfileId, Slot]]:
    """What was sent to these profiles since then."""
    values = {"profiles": list(profiles), "since": since}
    return [(row[0], Slot(*row[1:])) for row in await connection.execute(_SLOTS, values)]


async def take(connection: Connection, taken: Sequence[Taken]) -> None:
    """Note what goes; a message that is tried again has its room already."""
    values = {
        "ids": [each.delivery for each in taken],
        "profiles": [each.profile for each in taken],
        "channels": [each.slot.channel for each in taken],
        "purposes": [each.slot.purpose for each in taken],
        "ats": [each.slot.at for each in taken],
    }
    await connection.execute(_TAKE, values)


async def having(connection: Connection, ids: Collection[bytes]) -> set[bytes]:
    """Which of these messages have their room."""
    return {row[0] for row in await connection.execute(_HAVE, {"ids": list(ids)})}


async def give_back(connection: Connection, ids: Collection[bytes]) -> None:
    """These did not reach anybody after all."""
    await connection.execute(_GIVE_BACK, {"ids": list(ids)})


async def forget(connection: Connection, before: Instant) -> None:
    """What no cap looks back to."""
    await connection.execute(_FORGET, {"before": before})


async def waiting(connection: Connection, profiles: Collection[ProfileId]) -> list[Waiting]:
    """Messages to these profiles that have not gone yet."""
    rows = await connection.execute(_WAITING, {"profiles": list(profiles)})
    return [Waiting(*row) for row in rows]


async def hours(connection: Connection, cohorts: Collection[str]) -> dict[str, dict[int, int]]:
    """How often people of these cohorts did something in each hour of their day."""
    found: dict[str, dict[int, int]] = {}
    for cohort, hour, times in await connection.execute(_HOURS, {"cohorts": list(cohorts)}):
        found.setdefault(cohort, {})[hour] = times
    return found


async def put_hours(connection: Connection, hours: Mapping[str, Mapping[int, int]]) -> None:
    """Likewise, written anew."""
    rows = [(c, h, times) for c, each in hours.items() for h, times in each.items()]
    await connection.execute(_DROP_HOURS)
    values = {
        "cohorts": [row[0] for row in rows],
        "hours": [row[1] for row in rows],
        "times": [row[2] for row in rows],
    }
    await connection.execute(_PUT_HOURS, values)
