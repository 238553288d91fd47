"""What a suppression list of a million identifiers costs the collector, beside an empty one."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench import figures
from bench.measure import Figure, accounted, database, until_handled
from tests.support.platform import Platform, running

LISTED = 1_000_000
TURN, TURNS = 20_000, 25
_FILL = """
    insert into suppressions (subject, number)
    select decode(md5(n::text), 'hex'), n from generate_series(1, %s) n
"""


class Turn(NamedTuple):
    """What a turn came to: events a second, and the API's and PostgreSQL's microseconds of each."""

    rate: float
    api: float
    postgres: float


def suppression() -> list[Figure]:
    """The same load on two platforms that differ in the list alone, turn by turn."""
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        running(Path(one)) as empty,
        running(Path(other)) as full,
    ):
        with database(full) as connection:
            connection.execute(_FILL, (LISTED,))
            connection.execute("vacuum analyze suppressions")
            connection.execute("checkpoint")
        for platform in (empty, full):
            figures.play(platform, iter(figures.bodies(platform, 100)), connections=1)  # it learns
            _turn(platform)
        pairs = []
        for number in range(TURNS):
            order = (empty, full) if number % 2 else (full, empty)
            turns = {id(platform): _turn(platform) for platform in order}
            pairs.append((turns[id(empty)], turns[id(full)]))
    shares = [beside.rate / alone.rate * 100 for alone, beside in pairs]
    share = statistics.median(shares)
    return [
        Figure(
            f"collector with {LISTED:,} suppressed identifiers",
            share,
            "% of the rate",
            "≥ 95",
            share >= 95,
            f"with none: {statistics.median(pair[0].rate for pair in pairs):,.0f} events/s",
            notes={
                "turn by turn": [round(each) for each in shares],
                "cpu us/event": {
                    name: {
                        side: round(statistics.median(getattr(pair[n], name) for pair in pairs), 1)
                        for n, side in enumerate(("empty", "full"))
                    }
                    for name in ("api", "postgres")
                },
            },
        )
    ]


def _turn(platform: Platform) -> Turn:
    """Whatever else runs on this machine costs rate, but no processor time."""
    requests = figures.bodies(platform, TURN)
    with accounted(platform, TURN) as spent:
        outcome = figures.play(platform, iter(requests), connections=8)
    until_handled(platform)
    return Turn(TURN / outcome.seconds, spent["api"], spent["postgres"])
