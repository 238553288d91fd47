"""`cdp status`: how the platform is doing, once or for as long as somebody watches."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from cdp.events import TOPICS
from cdp.settings import Settings

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from cdp.db import Database
    from cdp.status import Place

_SECONDS = 1.0  # between two looks
_MOST_BEHIND = 4  # partitions of a topic that are named

Rates: TypeAlias = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Look:
    """The platform at one moment; `rates` are records a second by topic: appended, handled."""

    numbers: dict[str, Any]
    places: Sequence[Place]
    parked: Sequence[Mapping[str, Any]]
    relayed: bool
    at: float = field(default_factory=time.monotonic)
    rates: Rates = field(default_factory=dict)

    def since(self, before: Look) -> Rates:
        """What has moved between two looks."""
        seconds = self.at - before.at
        now, then = self._totals(), before._totals()
        return {
            topic: ((end - then[topic][0]) / seconds, (handled - then[topic][1]) / seconds)
            for topic, (end, handled) in now.items()
        }

    def _totals(self) -> dict[str, tuple[int, int]]:
        return {
            topic: (sum(each.end for each in places), sum(each.handled for each in places))
            for topic, places in self.by_topic().items()
        }

    def by_topic(self) -> dict[str, list[Place]]:
        """The partitions of each topic, in the order of an event's path."""
        return {topic: [each for each in self.places if each.topic == topic] for topic in TOPICS}

    def plain(self) -> dict[str, Any]:
        """For programs."""
        told = self.numbers | {"partitions": [_plain(each) for each in self.places]}
        if self.relayed:
            told["relay_lag"] = {t: _unpublished(p) for t, p in self.by_topic().items()}
        if self.rates:
            names = ("appended", "handled")
            told["rates"] = {t: dict(zip(names, r, strict=True)) for t, r in self.rates.items()}
        return told


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def status(
        as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
        watch: Annotated[
            bool, typer.Option("--watch", "-w", help="Look again every second, until Ctrl-C.")
        ] = False,
    ) -> None:
        """Show how the platform is doing."""
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_watch(as_json=as_json) if watch else _once(as_json=as_json))


async def _once(*, as_json: bool) -> None:
    async with _looking() as (database, relayed):
        look = await _look(database, relayed=relayed)
    if as_json:
        typer.echo(json.dumps(look.plain()))
    else:
        from rich.console import Console

        Console().print(_shown(look))


async def _watch(*, as_json: bool) -> None:
    """A line of JSON for every look, or a table that changes."""
    from rich.live import Live

    async with _looking() as (database, relayed):
        look = await _look(database, relayed=relayed)
        with contextlib.ExitStack() as stack:
            show: Callable[[Look], None]
            if as_json:
                show = lambda each: typer.echo(json.dumps(each.plain()))  # noqa: E731
            else:
                live = stack.enter_context(Live(_shown(look), auto_refresh=False))
                show = lambda each: live.update(_shown(each), refresh=True)  # noqa: E731
            while True:
                await asyncio.sleep(_SECONDS)
                look = await _look(database, relayed=relayed, before=look)
                show(look)


@contextlib.asynccontextmanager
async def _looking() -> AsyncIterator[tuple[Database, bool]]:
    from cdp import instance
    from cdp.db import Database

    settings = Settings.from_env()
    with instance.services(settings) as running:
        database = Database(running.database_url)
        try:
            yield database, bool(settings.kafka_url)
        finally:
            await database.close()


async def _look(database: Database, *, relayed: bool, before: Look | None = None) -> Look:
    from cdp import status
    from cdp.stream import parking

    async with database.transaction() as connection:
        numbers = await status.read(connection)
        places = await status.places(connection)
        parked = await parking.listed(connection)
    look = Look(numbers, places, parked, relayed)
    if before is None:
        return look
    return Look(numbers, places, parked, relayed, look.at, look.since(before))


def _plain(place: Place) -> dict[str, Any]:
    told = place._asdict() | {"lag": place.lag}
    del told["unpublished"]
    return told


def _unpublished(places: Sequence[Place]) -> int:
    return sum(place.unpublished for place in places)


def _shown(look: Look) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    numbers = Table(show_header=False, box=None)
    for name, value in look.numbers.items():
        if name != "lag":
            numbers.add_row(name, _number(value))
    lines = [numbers, _topics(look)]
    told = [
        Text.assemble(
            ("parked", "red"), f" {each['topic']}/{each['partition']}@{each['offset']}  "
        ).append(f"{each['error']}  {each['at']:%Y-%m-%d %H:%M}")
        for each in look.parked
    ]
    return Group(*lines, *told)


def _number(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{name} {count:,}" for name, count in value.items()) or "none"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def _topics(look: Look) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=True)
    table.add_column("topic")
    for title in ("lag", "in/s", "out/s") if look.rates else ("lag",):
        table.add_column(title, justify="right")
    if look.relayed:
        table.add_column("relay", justify="right")
    table.add_column("behind")
    table.add_column("workers")
    for topic, places in look.by_topic().items():
        rates = [f"{rate:,.0f}" for rate in look.rates.get(topic, ())]
        relay = [f"{_unpublished(places):,}"] if look.relayed else []
        lag = sum(place.lag for place in places)
        table.add_row(topic, f"{lag:,}", *rates, *relay, _behind(places), _workers(places))
    return table


def _behind(places: Sequence[Place]) -> str:
    """The partitions that are furthest behind, as NUMBER:LAG."""
    late = sorted((each for each in places if each.lag), key=lambda each: -each.lag)
    named = "  ".join(f"{each.partition}:{each.lag:,}" for each in late[:_MOST_BEHIND])
    return f"{named}  …" if len(late) > _MOST_BEHIND else named or "none"


def _workers(places: Sequence[Place]) -> str:
    """Who has how many partitions; with Kafka that is its group's to know."""
    held: dict[str, int] = {}
    for place in places:
        if place.worker:
            held[place.worker] = held.get(place.worker, 0) + 1
    return "  ".join(f"{worker} ({count})" for worker, count in sorted(held.items())) or "unknown"
