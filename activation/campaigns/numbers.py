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
_REFUSALS = named(
    "select reason, count(*) from journeys where campaign = :key and state = 'refused' group by 1"
)
_STEPS = named(
    """
    select s.step, s.destination, d.state, count(*)
      from journeys j join journey_sends s on s.journey = j.id
      join deliveries d on d.id = s.delivery
     where j.campaign = :key group by 1, 2, 3 order by 1, 2, 3
    """
)
_RESPONSES = named(
    """
    select s.step, s.destination, r.kind, count(*)
      from journeys j join journey_sends s on s.journey = j.id
      join responses r on r.delivery = s.delivery
     where j.campaign = :key group by 1, 2, 3
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


class Numbers(NamedTuple):
    """What came of a campaign, counted."""

    groups: dict[bool, tuple[int, int]]  # by whether held out: converted, begun
    refused: dict[str, int]  # who did not begin, by why
    steps: list[tuple[int, str, str, int]]  # step, destination, state of delivery, how many
    responses: list[tuple[int, str, str, int]]  # step, destination, kind, how many
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
        [(row[0], row[1], row[2], row[3]) for row in steps],
        [(row[0], row[1], row[2], row[3]) for row in responses],
        {row[0]: row[1] for row in reasons},
        [Day(*row) for row in days],
    )
