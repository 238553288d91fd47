"""What came of campaigns, counted: the SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, LiteralString, NamedTuple

from cdp.db import Connection, named

_GROUPS: LiteralString = """
    select state = 'held_out', count(converted_at), count(*) from {journeys} j
     where campaign = :key and state <> 'refused' group by 1
"""
_BEGUN: LiteralString = """
    select j.state = 'held_out', j.converted_by,
           to_char(to_timestamp(j.at / 1000000) at time zone 'UTC', 'YYYY-MM-DD'),
           coalesce(l.destination, ''), coalesce(l.template, '')
      from {journeys} j left join lateral (
           select s.destination, s.template
             from journey_sends s join deliveries d on d.id = s.delivery
            where s.journey = j.id and d.state = 'sent'
            order by s.step desc, s.instead_of is null limit 1) l on true
     where j.campaign = :key and j.state <> 'refused' order by j.at desc limit :most
"""
_REFUSALS: LiteralString = """
    select reason, count(*) from {journeys} j
     where campaign = :key and state = 'refused' group by 1
"""
_STEPS: LiteralString = """
    select s.step, s.destination, s.template, d.state, count(*)
      from {journeys} j join journey_sends s on s.journey = j.id
      join deliveries d on d.id = s.delivery
     where j.campaign = :key group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""
_RESPONSES: LiteralString = """
    select s.step, s.destination, s.template, r.kind, count(*)
      from {journeys} j join journey_sends s on s.journey = j.id
      join responses r on r.delivery = s.delivery
     where j.campaign = :key group by 1, 2, 3, 4
"""
_REASONS: LiteralString = """
    select d.reason, count(*)
      from {journeys} j join journey_sends s on s.journey = j.id
      join deliveries d on d.id = s.delivery
     where j.campaign = :key and d.state in ('refused', 'parked') group by 1 order by 2 desc
     limit 20
"""
_DAYS: LiteralString = """
    select to_char(to_timestamp(at / 1000000) at time zone 'UTC', 'YYYY-MM-DD') as day,
           count(*) filter (where state <> 'held_out'), count(*) filter (where state = 'held_out'),
           count(converted_at) filter (where state <> 'held_out'),
           count(converted_at) filter (where state = 'held_out')
      from {journeys} j where campaign = :key and state <> 'refused'
     group by 1 order by 1 desc limit 366
"""


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


class Counted(NamedTuple):
    """The journeys that are looked at: all of a campaign, or some, by a query over `journeys`."""

    campaign: str
    journeys: LiteralString = "journeys"
    values: Mapping[str, Any] = MappingProxyType({})  # of that query

    async def numbers(self, connection: Connection) -> Numbers:
        """What came of them so far, by when they began."""
        groups = await self._rows(connection, _GROUPS)
        refused = await self._rows(connection, _REFUSALS)
        steps = await self._rows(connection, _STEPS)
        responses = await self._rows(connection, _RESPONSES)
        reasons = await self._rows(connection, _REASONS)
        days = await self._rows(connection, _DAYS)
        return Numbers(
            {row[0]: (row[1], row[2]) for row in groups},
            {row[0]: row[1] for row in refused},
            [(Message(*row[:3]), row[3], row[4]) for row in steps],
            [(Message(*row[:3]), row[3], row[4]) for row in responses],
            {row[0]: row[1] for row in reasons},
            [Day(*row) for row in days],
        )

    async def begun(self, connection: Connection, most: int) -> list[Begun]:
        """The latest of them, so many at most."""
        return [Begun(*row) for row in await self._rows(connection, _BEGUN, most=most)]

    async def _rows(
        self, connection: Connection, sql: LiteralString, **more: Any
    ) -> Sequence[Sequence[Any]]:
        statement = named(sql.replace("{journeys}", self.journeys))
        values = {"key": self.campaign, **self.values, **more}
        return (await connection.execute(statement, values)).all()
