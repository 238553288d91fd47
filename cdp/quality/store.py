"""The counts' SQL: one table of sums, told apart by what they measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cdp.db import Connection, Database, named
from cdp.events import Instant
from cdp.quality.names import Names

KEPT_DAYS = 35

# In order, so that processes that add to the same rows wait for each other and never in a circle.
_ADD = named(
    """
    insert into quality (hour, source, event, measure, property, detail, count)
    select to_timestamp(h / 1e6), s, e, m, p, d, n
      from unnest(cast(:hours as bigint[]), cast(:sources as int[]), cast(:events as bytea[]),
                  cast(:measures as text[]), cast(:properties as bytea[]),
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
    and (cast(:event as bytea) is null or event = :event)
"""
_SUMS = named(
    f"""
    select source, event, (extract(epoch from hour) * 1000000)::bigint, measure,
           sum(count)::bigint
      from quality where measure <> 'type' and {_OF}
     group by source, event, hour, measure
    """  # noqa: S608 - our own words
)
_BROKEN = named(
    f"""
    select source, event, property, detail, sum(count)::bigint
      from quality where measure = 'violation' and {_OF}
     group by source, event, property, detail
    """  # noqa: S608 - our own words
)
_TYPES = named(
    f"""
    select source, event, property, detail,
           coalesce(sum(count) filter (where hour < to_timestamp(:between / 1e6)), 0)::bigint,
           coalesce(sum(count) filter (where hour >= to_timestamp(:between / 1e6)), 0)::bigint
      from quality where measure = 'type' and {_OF}
     group by source, event, property, detail
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


class Hours(NamedTuple):
    """Beginnings: of the window, of the one before it, and of what it is compared with."""

    first: Instant
    before: Instant
    history: Instant


class Found(NamedTuple):
    """What was counted: all but types in each hour; rules and types over the window."""

    sums: Sequence[Sum]
    broken: Sequence[Broken]
    seen: Sequence[Seen]


async def add(database: Database, names: Names, cells: Mapping[Cell, int]) -> None:
    """Add to the sums."""
    await names.note(database, {(n, c.hour) for c in cells for n in (c.event, c.property)})
    hashed = [c._replace(event=names.hash(c.event), property=names.hash(c.property)) for c in cells]  # type: ignore[arg-type]
    columns = zip(*hashed, strict=True)
    titles = ("hours", "sources", "events", "measures", "properties", "details")
    values = {title: list(column) for title, column in zip(titles, columns, strict=True)}
    await database.rows(_ADD, **values, counts=list(cells.values()))


async def clear(database: Database, names: Names) -> None:
    """Forget hours that are long past, and names that were only seen then."""
    await database.rows(_CLEAR, days=KEPT_DAYS)
    await names.clear(database, KEPT_DAYS + 2)


async def found(connection: Connection, names: Names, asked: Asked, hours: Hours) -> Found:
    """What was counted, by names."""
    values = {"source": asked.source, "event": names.hash(asked.event) if asked.event else None}
    sums = await connection.execute(_SUMS, values | {"since": hours.history})
    broken = await connection.execute(_BROKEN, values | {"since": hours.first})
    types = await connection.execute(
        _TYPES, values | {"since": hours.before, "between": hours.first}
    )
    counted, rules, seen = sums.all(), broken.all(), types.all()
    ids = {row[1] for rows in (counted, rules, seen) for row in rows}
    ids |= {row[2] for rows in (rules, seen) for row in rows}
    told = await names.read(connection, ids)
    return Found(
        sorted(Sum(row[0], told[row[1]], *row[2:]) for row in counted),
        sorted(Broken(row[0], told[row[1]], told[row[2]], *row[3:]) for row in rules),
        sorted(Seen(row[0], told[row[1]], told[row[2]], *row[3:]) for row in seen),
    )
