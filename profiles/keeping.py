"""Which counters the definitions have folded into fragments, and how far back: their SQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from cdp.db import Connection, named
from profiles import fragment
from profiles.fragment import Counting
from profiles.language.counters import Counter
from profiles.language.parsing import counter

_FIELDS = "c.id, c.event, c.filters, c.newest, c.keep, c.property, c.horizon"
_COUNTERS = named(f"select {_FIELDS}, c.build from counters c order by c.id")  # noqa: S608
_ADD_COUNTER = named(
    """
    insert into counters (build, event, filters, newest, keep, property, horizon)
    values (:build, :event, cast(:filters as json), :newest, :keep, :property, :horizon)
    """
)
_DROP_COUNTERS = named("delete from counters where id = any(:ids)")
_KEPT = named(
    f"select b.partition, {_FIELDS}"  # noqa: S608 - our own constant
    "  from counters c join build_partitions b using (build) where b.partition = any(:partitions)"
    " order by c.id"
)
_COUNTED = named(
    f"select b.partition, b.since, b.done, {_FIELDS}"  # noqa: S608 - our own constant
    "  from counters c join build_partitions b using (build) where b.partition = any(:partitions)"
)

Counted: TypeAlias = Callable[[int, int], Counting]  # of a log partition and an offset in it


class Kept(NamedTuple):
    """A counter as it is stored, with the build that brought it in."""

    id: int
    counter: Counter
    build: int


async def add(connection: Connection, build: int, needed: Iterable[Counter]) -> None:
    """Keep these as well, as far as they are new: the build counts them through history."""
    known = {each.counter for each in await kept(connection)}
    for new in sorted(set(needed) - known):
        filters = msgspec.json.encode(msgspec.json.decode(new.key)["where"]).decode()
        values = {"build": build, "event": new.event, "filters": filters, "newest": new.newest}
        values |= {"keep": new.keep, "property": new.of, "horizon": new.horizon}
        await connection.execute(_ADD_COUNTER, values)


async def keep_only(connection: Connection, needed: Collection[Counter]) -> None:
    """Forget the others."""
    unused = [each.id for each in await kept(connection) if each.counter not in needed]
    if unused:
        await connection.execute(_DROP_COUNTERS, {"ids": unused})


async def kept(connection: Connection) -> list[Kept]:
    """Every counter there is."""
    rows = await connection.execute(_COUNTERS)
    return [Kept(row[0], counter(*row[1:7]), row[7]) for row in rows]


async def counting_all(connection: Connection) -> Counting:
    """Every counter there is, for folding."""
    return fragment.counting((each.id, each.counter) for each in await kept(connection))


async def counting_by_partition(
    connection: Connection, partitions: Sequence[int]
) -> dict[int, Counting]:
    """The counters that the live agent maintains in each of these log partitions."""
    found: dict[int, list[tuple[int, Counter]]] = {partition: [] for partition in partitions}
    for partition, number, *fields in await connection.execute(
        _KEPT, {"partitions": list(partitions)}
    ):
        found[partition].append((number, counter(*fields)))
    return {partition: fragment.counting(each) for partition, each in found.items()}


async def counted(connection: Connection, partitions: Collection[int]) -> Counted:
    """Which counters an event is in by now: those kept live since it, and those built up to it."""
    rows = (await connection.execute(_COUNTED, {"partitions": list(partitions)})).all()
    made: dict[tuple[bool, ...], Counting] = {}

    def at(partition: int, offset: int) -> Counting:
        found = tuple(row[0] == partition and not row[2] <= offset < row[1] for row in rows)
        if found not in made:
            counters = (row[3:] for row, is_in in zip(rows, found, strict=True) if is_in)
            read = ((number, counter(*fields)) for number, *fields in counters)
            made[found] = fragment.counting(read)
        return made[found]

    return at
