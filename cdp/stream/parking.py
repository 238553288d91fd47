"""What agents could not handle: listed with its error, and handled again once that is mended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from cdp import times
from cdp.db import Connection, Database, named
from cdp.events import EVENTS
from cdp.log import store
from cdp.log.store import Record
from cdp.stream.stage import Stage, Unit, is_loud, name_of

_LISTED = named(
    """
    select topic, partition, "offset", error, at from parked
     order by at, topic, partition, "offset" limit :limit
    """
)
_PLACES = named(
    """
    select topic, partition, "offset" from parked
     order by array_position(cast(:topics as text[]), topic), partition, "offset"
    """
)
_TAKE = named(
    """
    select key, value from parked
     where topic = :topic and partition = :partition and "offset" = :offset
       for update skip locked
    """
)
_DONE = named(
    """
    delete from parked where topic = :topic and partition = :partition and "offset" = :offset
    """
)
_FAILED = named(
    """
    update parked set error = :error, at = now()
     where topic = :topic and partition = :partition and "offset" = :offset
    """
)
_PLACE = ("topic", "partition", "offset")
_SHOWN = (*_PLACE, "error", "at")


class Outcome(NamedTuple):
    """Where a parked record came from, and what is wrong with it still; empty if nothing is."""

    topic: str
    partition: int
    offset: int
    error: str


async def listed(connection: Connection, limit: int = 20) -> list[dict[str, Any]]:
    """The oldest parked records, with their errors."""
    rows = await connection.execute(_LISTED, {"limit": limit})
    return [dict(zip(_SHOWN, row, strict=True)) for row in rows]


async def retry(database: Database, stages: Sequence[Stage]) -> AsyncIterator[Outcome]:
    """Hand every parked record to its agent again, each in a transaction of its own.

    Order does not matter by now: state is a function of the set of facts.
    """
    by_topic = {stage.topic: stage for stage in stages}
    async with database.transaction() as connection:
        rows = await connection.execute(_PLACES, {"topics": list(by_topic)})
        places = [dict(zip(_PLACE, row, strict=True)) for row in rows]
    for place in places:
        error = ""
        try:
            await _again(database, by_topic[place["topic"]], place)
        except Exception as failure:
            if is_loud(failure):
                raise
            error = name_of(failure)
            async with database.transaction() as connection:
                await connection.execute(_FAILED, {**place, "error": error})
        yield Outcome(**place, error=error)


async def _again(database: Database, stage: Stage, place: dict[str, Any]) -> None:
    async with database.transaction() as connection:
        row = (await connection.execute(_TAKE, place)).first()
        if row is None:  # somebody else is at it
            return
        record = Record(place["offset"], row[0], b"", row[1])
        if place["topic"] == EVENTS:
            at = {place["partition"]: place["offset"]}
            record = (await store.read(connection, EVENTS, at, 1))[place["partition"]][0]
        unit = Unit(connection, times.now())
        await stage.handle(unit, [record])
        await store.emit(connection, unit.messages, stage.partitions)
        await connection.execute(_DONE, place)
    for follow_up in unit.after_commit:
        await follow_up()
