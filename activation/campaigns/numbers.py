"""What came of campaigns, counted: the SQL."""

from __future__ import annotations

from typing import NamedTuple

from cdp.db import Connection, named

_GROUPS = named(
    """
    select state = 'held_out', count(converted_at), count(*) from journeys
     where campaign = :key and state <> 'refused' group by 1
    """
)
_BEGUN = named(
    """
    select j.state = 'held_out', j.converted_by,
           to_char(to_timestamp(j.at / 1000000) at time zone 'UTC', 'YYYY-MM-DD'),
           coalesce(l.destination, ''), coalesce(l.template, '')
      from journeys j left join lateral (
           select s.destination, s.template
             from journey_sends s join deliveries d on d.id = s.delivery
            where s.journey = j.id and d.state = 'sent'
            order by s.step desc, s.instead_of is null limit 1) l on true
     where j.campaign = :key and j.state <> 'refused' order by j.at desc limit :most
    """
)
_REFUSALS = named(
    "select reason, count(*) from journeys where campaign = :key and state = 'refused' group by 1"
)
_STEPS = named(
    """
    select s.step, s.destination, s.template, d.state, count(*)
      from journeys j join journey_sends s on s.journey = j.id
      join deliveries d on d.id = s.delivery
     where j.campaign = :key group by 1, 2, 3, 4 order by 1, 2, 3, 4
    """
)
_RESPONSES = named(
    """
    select s.step, s.destination, s.template, r.kind, count(*)
      from journeys j join journey_sends s on s.journey = j.id
      join responses r on r.delivery = s.delivery
     where j.campaign = :key group by 1, 2, 3, 4
    """
)
_REASONS = named(
    """
    select d.reason, count(*)
      from journeys j join journey_sends s on s.journey = j.id
      join deliveries d on d.id = s.delivery
     where j.campaign = :key and d.state in ('refused', 'parked') group by 1 order by 2 desc
     limit 20
    """
)
_DAYS = named(
    """
    select to_char(to_timestamp(at / 1000000) at time zone 'UTC', 'YYYY-MM-DD') as day,
           count(*) filter (where state <> 'held_out'), count(*) filter (where state = 'held_out'),
           count(converted_at) filter (where state <> 'held_out'),
           count(converted_at) filter (where state = 'held_out')
      from journeys where campaign = :key and state <> 'refused'
     group by 1 order by 1 desc limit 366
    """
)


class Day(NamedTuple):
    """Journeys that began on a day (in UTC), and how many of these reached their goal since."""

    day: str
    begun: int
    held_out: int
    converted: int
    held_out_converted: int


class Begun(NamedTuple):
    """A journey: the event by which it reached its goal, and by what the last message went."""

    held_out: bool
    converted_by: bytes | None
    day: str
    channel: str  # empty: nothing was sent
    template: str


class Message(NamedTuple):
    """What a step sent, by which destination."""

    step: int
    destination: str
    template: str  # empty: an older process requested it


class Numbers(NamedTuple):
    """What came of a campaign, counted."""

    groups: dict[bool, tuple[int, int]]  # by whether held out: converted, begun
    refused: dict[str, int]  # who did not begin, by why
    steps: list[tuple[Message, str, int]]  # state of delivery, how many
    responses: list[tuple[Message, str, int]]  # kind, how many
    unsent: dict[str, int]  # deliveries by why they were not made
    days: list[Day]


async def numbers(connection: Connection, key: str) -> Numbers:
    """What came of it so far, by when journeys began."""
    values = {"key": key}
    groups = await connection.execute(_GROUPS, values)
    refused = await connection.execute(_REFUSALS, values)
    steps = await connection.execute(_STEPS, values)
    responses = await connection.execute(_RESPONSES, values)
    reasons = await connection.execute(_REASONS, values)
    days = await connection.execute(_DAYS, values)
    return Numbers(
        {row[0]: (row[1], row[2]) for row in groups},
        {row[0]: row[1] for row in refused},
        [(Message(*row[:3]), row[3], row[4]) for row in steps],
        [(Message(*row[:3]), row[3], row[4]) for row in responses],
        {row[0]: row[1] for row in reasons},
        [Day(*row) for row in days],
    )


async def begun(connection: Connection, key: str, most: int) -> list[Begun]:
    """The latest journeys, so many at most."""
    rows = await connection.execute(_BEGUN, {"key": key, "most": most})
    return [Begun(*row) for row in rows]
