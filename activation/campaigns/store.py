"""The SQL of journeys, and of what was noted for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from activation.campaigns.model import Journey, State
from cdp.db import Connection, named
from cdp.events import Instant, ProfileId, SubjectId

_AGAIN = 300_000_000  # microseconds: a journey that was woken in vain is woken again

_HEAR = named(
    """
    insert into campaign_heard (id, campaign, goal, subject, cause, at)
    select * from unnest(cast(:ids as bytea[]), cast(:campaigns as text[]),
                         cast(:goals as boolean[]), cast(:subjects as bytea[]),
                         cast(:causes as text[]), cast(:ats as bigint[]))
    on conflict (id) do nothing
    """
)
_RESPOND = named(
    """
    insert into responses (delivery, kind, at)
    select * from unnest(cast(:deliveries as bytea[]), cast(:kinds as text[]),
                         cast(:ats as bigint[]))
    on conflict (delivery, kind) do nothing
    """
)
_TAKE = named(
    "delete from campaign_heard where subject = any(:subjects)"
    " returning id, campaign, goal, subject, cause, at"
)
_FIELDS = (
    "id, campaign, version, profile, cause, at, state, place, due, reason, converted_at,"
    " converted_by"
)
_OF = named(
    f"select {_FIELDS} from journeys where profile = any(:profiles) for update"  # noqa: S608
)
_WRITE = named(
    f"""
    insert into journeys ({_FIELDS})
    select * from unnest(
        cast(:ids as bytea[]), cast(:campaigns as text[]), cast(:versions as int[]),
        cast(:profiles as bytea[]), cast(:causes as text[]), cast(:ats as bigint[]),
        cast(:states as text[]), cast(:places as int[]), cast(:dues as bigint[]),
        cast(:reasons as text[]), cast(:converted as bigint[]), cast(:by as bytea[]))
    on conflict (id) do update
       set state = excluded.state, place = excluded.place, due = excluded.due, woken = null,
           reason = excluded.reason, converted_at = excluded.converted_at,
           converted_by = excluded.converted_by
    """  # noqa: S608 - our own constant
)
_SENT = named(
    """
    insert into journey_sends (delivery, journey, step, destination, template, instead_of,
                               because)
    select * from unnest(cast(:deliveries as bytea[]), cast(:journeys as bytea[]),
                         cast(:steps as int[]), cast(:destinations as text[]),
                         cast(:templates as text[]), cast(:instead as bytea[]),
                         cast(:reasons as text[]))
    on conflict (delivery) do nothing
    """
)
_WAKE = named(
    """
    update journeys set woken = :now
     where id in (select id from journeys
                   where due <= :now and (woken is null or woken < :since) and state = 'active'
                   order by due limit :limit for update skip locked)
    returning profile
    """
)
_LISTED = named(
    f"""
    select {_FIELDS} from journeys
     where campaign = :key and (cast(:profiles as bytea[]) is null or profile = any(:profiles))
       and (cast(:state as text) is null or state = :state)
       and (at, id) > (:at, cast(:id as bytea)) order by at, id limit :limit
    """  # noqa: S608
)


class Heard(NamedTuple):
    """What was noted for whoever this subject is: a start, or a goal that was reached."""

    id: bytes
    campaign: str
    goal: bool
    subject: SubjectId
    cause: str
    at: Instant


class Response(NamedTuple):
    """What somebody did with a message: opened, clicked, bounced or complained."""

    delivery: bytes
    kind: str
    at: Instant


class Sent(NamedTuple):
    """A message that a journey's step requested; or one in the place of another, and why."""

    delivery: bytes
    journey: bytes
    step: int
    destination: str
    template: str = ""
    instead_of: bytes | None = None
    because: str = ""


async def hear(connection: Connection, heard: Sequence[Heard]) -> None:
    """Note these for the agent that looks at whole people."""
    if not heard:
        return
    values = {
        "ids": [each.id for each in heard],
        "campaigns": [each.campaign for each in heard],
        "goals": [each.goal for each in heard],
        "subjects": [each.subject for each in heard],
        "causes": [each.cause for each in heard],
        "ats": [each.at for each in heard],
    }
    await connection.execute(_HEAR, values)


async def respond(connection: Connection, responses: Sequence[Response]) -> None:
    """Note these, each kind once for a message."""
    if not responses:
        return
    values = {
        "deliveries": [each.delivery for each in responses],
        "kinds": [each.kind for each in responses],
        "ats": [each.at for each in responses],
    }
    await connection.execute(_RESPOND, values)


async def take(connection: Connection, subjects: Collection[SubjectId]) -> list[Heard]:
    """What is noted of these, once."""
    rows = await connection.execute(_TAKE, {"subjects": list(subjects)})
    return sorted((Heard(*row) for row in rows), key=lambda each: (each.at, each.id))


async def of(connection: Connection, profiles: Collection[ProfileId]) -> list[Journey]:
    """The journeys of these profiles, held until the transaction ends."""
    rows = await connection.execute(_OF, {"profiles": list(profiles)})
    return [Journey(*row) for row in rows]


async def write(connection: Connection, journeys: Collection[Journey]) -> None:
    """Begin them, or note how far they have come."""
    values = {
        "ids": [each.id for each in journeys],
        "campaigns": [each.campaign for each in journeys],
        "versions": [each.version for each in journeys],
        "profiles": [each.profile for each in journeys],
        "causes": [each.cause for each in journeys],
        "ats": [each.at for each in journeys],
        "states": [each.state for each in journeys],
        "places": [each.place for each in journeys],
        "dues": [each.due for each in journeys],
        "reasons": [each.reason for each in journeys],
        "converted": [each.converted_at for each in journeys],
        "by": [each.converted_by for each in journeys],
    }
    await connection.execute(_WRITE, values)


async def note_sent(connection: Connection, sent: Sequence[Sent]) -> None:
    """Which deliveries belong to which journeys."""
    values = {
        "deliveries": [each.delivery for each in sent],
        "journeys": [each.journey for each in sent],
        "steps": [each.step for each in sent],
        "destinations": [each.destination for each in sent],
        "templates": [each.template for each in sent],
        "instead": [each.instead_of for each in sent],
        "reasons": [each.because for each in sent],
    }
    await connection.execute(_SENT, values)


async def wake(connection: Connection, now: Instant, limit: int) -> list[ProfileId]:
    """Whose journeys are due; a profile may be in it several times."""
    values = {"now": now, "since": now - _AGAIN, "limit": limit}
    return [row[0] for row in await connection.execute(_WAKE, values)]


async def listed(
    connection: Connection,
    key: str,
    *,
    profiles: Sequence[bytes] | None,
    state: State | None,
    after: tuple[Instant, bytes],
    limit: int,
) -> list[Journey]:
    """Journeys of a campaign, oldest first."""
    values: dict[str, Any] = {"key": key, "state": state, "limit": limit}
    values |= {"profiles": list(profiles) if profiles is not None else None}
    values |= {"at": after[0], "id": after[1]}
    return [Journey(*row) for row in await connection.execute(_LISTED, values)]
