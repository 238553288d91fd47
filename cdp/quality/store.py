"""The counts' SQL: one table of sums, told apart by what they measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cdp.db import Connection, Database, named
from cdp.events import Instant

KEPT_DAYS = 35

# In order, so that processes that add to the same rows wait for each other and never in a circle.
_ADD = named(
    """
    insert into quality (hour, source, event, measure, property, detail, count)
    select to_timestamp(h / 1e6), s, e, m, p, d, n
      from unnest(cast(:hours as bigint[]), cast(:sources as int[]), cast(:events as text[]),
                  cast(:measures as text[]), cast(:properties as text[]),
                  cast(:details as text[]), cast(:counts as bigint[])) u(h, s, e, m, p, d, n)
     order by h, s, e, m, p, d
    on conflict (hour, source, event, measure, property, detail)
    do update set count = quality.count + excluded.count
    """
)
_CLEAR = named("delete from quality where hour < now() - make_interval(days => :days)")
_OF = """
    hour >= to_timestamp(:since / 1e6)
    and (cast(:source as int) is null or source = :source)
    and (cast(:event as text) is null or event = :event)
"""
_SUMS = named(
    f"""
    select source, event, (extract(epoch from hour) * 1000000)::bigint, measure,
           sum(count)::bigint
      from quality where measure <> 'type' and {_OF}
     group by source, event, hour, measure order by source, event, hour, measure
    """  # noqa: S608 - our own words
)
_BROKEN = named(
    f"""
    select source, event, property, detail, sum(count)::bigint
      from quality where measure = 'violation' and {_OF}
     group by source, event, property, detail order by source, event, property, detail
    """  # noqa: S608 - our own words
)
_TYPES = named(
    f"""
    select source, event, property, detail,
           coalesce(sum(count) filter (where hour < to_timestamp(:between / 1e6)), 0)::bigint,
           coalesce(sum(count) filter (where hour >= to_timestamp(:between / 1e6)), 0)::bigint
      from quality where measure = 'type' and {_OF}
     group by source, event, property, detail order by source, event, property, detail
    """  # noqa: S608 - our own words
)


class Cell(NamedTuple):
    """What a sum is of."""

    hour: Instant
    source: int
    event: str
    measure: str  # received, duplicate, late, violation or type
    property: str = ""
    detail: str = ""  # the rule that was broken, or the JSON type


class Asked(NamedTuple):
    """Of which source, and of which event; None: of all."""

    source: int | None = None
    event: str | None = None


class Sum(NamedTuple):
    """Of an event and hour."""

    source: int
    event: str
    hour: Instant
    measure: str
    number: int


class Broken(NamedTuple):
    """How often an event broke a rule of its plan."""

    source: int
    event: str
    property: str
    rule: str
    times: int


class Seen(NamedTuple):
    """How often a property had a type, in the window before and in this one."""

    source: int
    event: str
    property: str
    type: str
    before: int
    now: int


async def add(database: Database, cells: Mapping[Cell, int]) -> None:
    """Add to the sums."""
    columns = zip(*cells, strict=True)
    names = ("hours", "sources", "events", "measures", "properties", "details")
    values = {name: list(column) for name, column in zip(names, columns, strict=True)}
    await database.rows(_ADD, **values, counts=list(cells.values()))


async def clear(database: Database) -> None:
    """Forget hours that are long past."""
    await database.rows(_CLEAR, days=KEPT_DAYS)


async def sums(connection: Connection, asked: Asked, since: Instant) -> Sequence[Sum]:
    """All sums from an hour on, but for types."""
    rows = await connection.execute(_SUMS, asked._asdict() | {"since": since})
    return [Sum(*row) for row in rows]


async def broken(connection: Connection, asked: Asked, since: Instant) -> Sequence[Broken]:
    """Which rules were broken from an hour on."""
    rows = await connection.execute(_BROKEN, asked._asdict() | {"since": since})
    return [Broken(*row) for row in rows]


async def types(
    connection: Connection, asked: Asked, since: Instant, between: Instant
) -> Sequence[Seen]:
    """The types of properties, before and from an hour on."""
    values = asked._asdict() | {"since": since, "between": between}
    return [Seen(*row) for row in await connection.execute(_TYPES, values)]
