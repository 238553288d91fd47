"""The SQL of runs that bring destinations to how things are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from activation.model import Delivery
from activation.syncing.model import ASKED, Run, Told
from cdp.db import Connection, named
from cdp.events import ProfileId

_FIELDS = (
    "number, destination, reason, whole, segments, state, place, position, looked_at, members,"
    " entered, gone, cast(extract(epoch from created_at) * 1000000 as bigint)"
)
_START = named(
    """
    insert into syncs (destination, reason, whole, segments)
    values (:destination, :reason, :whole, cast(:segments as text[])) returning number
    """
)
# One of each destination at a time; whose turn was longest ago comes first.
_OPEN = named(
    f"""
    select {_FIELDS} from syncs s where ended_at is null
       and not exists (select from syncs e where e.destination = s.destination
                          and e.ended_at is null and e.number < s.number)
     order by updated_at for update
    """  # noqa: S608 - our own constant
)
_KEEP = named(
    """
    update syncs set state = :state, place = :place, position = :position,
           looked_at = :looked_at, members = :members, entered = :entered, gone = :gone,
           updated_at = clock_timestamp(),
           ended_at = case when :state in ('done', 'ended') then clock_timestamp() end
     where number = :number
    """
)
_LATEST = named(
    f"""
    select {_FIELDS}, created_at, updated_at, ended_at from syncs where destination = :destination
     order by number desc limit :limit
    """  # noqa: S608
)
_IS_ASKED = named(
    """
    select exists (select from syncs where destination = :destination and ended_at is null
                      and reason = :reason)
    """
)
_FORGET = named("delete from syncs where destination = :destination")
_UNDER_WAY = named(
    """
    select count(*) from (
        select from deliveries where destination = :destination
           and state in ('requested', 'delayed', 'retrying', 'sending') limit :limit) open
    """
)
_LAST = named(
    """
    select distinct on (profile) id, profile, kind, state, at from deliveries
     where destination = :destination and segment = :segment and profile = any(:profiles)
       and kind in ('entered', 'left')
     order by profile, at desc, created_at desc
    """
)
_WHOM = named(
    """
    select distinct profile from deliveries
     where destination = :destination and segment = :segment and profile > :after
       and kind in ('entered', 'left')
     order by profile limit :limit
    """
)
_REQUEST = named(
    """
    insert into deliveries (id, destination, profile, segment, kind, at, purpose, state, cause)
    select i, d, p, s, k, a, u, 'requested', c
      from unnest(cast(:ids as bytea[]), cast(:destinations as text[]), cast(:profiles as bytea[]),
                  cast(:segments as text[]), cast(:kinds as text[]), cast(:ats as bigint[]),
                  cast(:purposes as text[]), cast(:causes as text[])) x(i, d, p, s, k, a, u, c)
    on conflict (id) do nothing returning id
    """
)
_AGAIN = named(
    """
    update deliveries set state = 'requested', attempts = 0, reason = '', status = null, due = null,
           updated_at = now()
     where id = any(:ids) and state in ('parked', 'refused')
    returning id, profile
    """
)


class Listed(NamedTuple):
    """A run as people read it."""

    run: Run
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None


async def start(
    connection: Connection, destination: str, reason: str, segments: Collection[str], *, whole: bool
) -> None:
    """Note that a destination is to be brought to how things are, in these segments."""
    values = {"destination": destination, "reason": reason, "whole": whole}
    await connection.execute(_START, {**values, "segments": sorted(segments)})


async def asked_for(connection: Connection, destination: str) -> bool:
    """Whether somebody asked for a run that is not over."""
    values = {"destination": destination, "reason": ASKED}
    return bool((await connection.execute(_IS_ASKED, values)).scalar_one())


async def open_runs(connection: Connection) -> list[Run]:
    """The run of each destination that is to be taken further, locked."""
    return [_run(row) for row in await connection.execute(_OPEN)]


async def keep(connection: Connection, run: Run) -> None:
    """Write down how far a run is."""
    values = run._asdict()
    names = ["number", "state", "place", "position", "looked_at", "members", "entered", "gone"]
    await connection.execute(_KEEP, {name: values[name] for name in names})


async def latest(connection: Connection, destination: str, limit: int) -> list[Listed]:
    """A destination's runs, the newest first."""
    rows = await connection.execute(_LATEST, {"destination": destination, "limit": limit})
    return [Listed(_run(row), *row[13:]) for row in rows]


async def forget(connection: Connection, destination: str) -> None:
    """Of a destination that is deleted."""
    await connection.execute(_FORGET, {"destination": destination})


async def under_way(connection: Connection, destination: str, most: int) -> int:
    """How many deliveries to it are to be made; it is not counted beyond `most`."""
    values = {"destination": destination, "limit": most}
    return int((await connection.execute(_UNDER_WAY, values)).scalar_one())


async def last_told(
    connection: Connection, run: Run, profiles: Collection[ProfileId]
) -> dict[ProfileId, Told]:
    """The last entry or exit that it was told of each of these profile ids, in this segment."""
    values = {"destination": run.destination, "segment": run.segment, "profiles": list(profiles)}
    return {row[1]: Told(*row) for row in await connection.execute(_LAST, values)}


async def told_of(connection: Connection, run: Run, limit: int) -> list[ProfileId]:
    """Of whom it was told in this segment, by profile id, after the run's position."""
    values = {"destination": run.destination, "segment": run.segment}
    rows = await connection.execute(_WHOM, {**values, "after": run.position, "limit": limit})
    return [row[0] for row in rows]


async def request(connection: Connection, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Write down what is to be delivered; returns those that were not in the ledger before."""
    if not deliveries:
        return []
    columns = zip(*((*each[:7], each.cause) for each in deliveries), strict=True)
    names = ["ids", "destinations", "profiles", "segments", "kinds", "ats", "purposes", "causes"]
    values = {name: list(column) for name, column in zip(names, columns, strict=True)}
    added = {row[0] for row in await connection.execute(_REQUEST, values)}
    return [each for each in deliveries if each.id in added]


async def take_up(connection: Connection, ids: Collection[bytes]) -> list[tuple[bytes, ProfileId]]:
    """Have deliveries that came to nothing tried again, with their ids; returns (id, profile)."""
    if not ids:
        return []
    return [(row[0], row[1]) for row in await connection.execute(_AGAIN, {"ids": list(ids)})]


def _run(row: Sequence[Any]) -> Run:
    return Run._make((*row[:4], tuple(row[4]), *row[5:13]))
