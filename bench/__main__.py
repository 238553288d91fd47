"""`make bench`: runs the figures on a platform of its own, prints a table, writes JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform as machine
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import figures
from bench.backing import backup
from bench.carriers import carriers
from bench.erasing import erasing
from bench.gates import gates
from bench.hanging import hanging
from bench.identity import identity
from bench.linkage import linkage
from bench.mailing import mail
from bench.matching import matching
from bench.measure import Figure
from bench.personalizing import personalizing
from bench.pulling import pulling
from bench.reading import membership, previewing, reading
from bench.replaying import replay
from bench.scaling import scaling
from bench.segmenting import segmenting
from bench.suppressing import suppression
from bench.telling import telling
from tests.support.platform import running

SMALL, TURN, TURNS = 100_000, 30_000, 5
RESULTS = Path(__file__).parent / "results"
console = Console()


def growth(stored: int) -> list[Figure]:
    """The same rates with many events stored and with few, on two platforms, turn by turn."""
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        running(Path(one)) as small,
        running(Path(other)) as large,
    ):
        for platform, events in ((small, SMALL), (large, stored)):
            figures.define_segments(platform)
            console.print(f"filling up to {events:,} events …")
            figures.fill(platform, events)
        pairs = [
            [(figures.ingest(p, TURN), figures.sustained(p, TURN)) for p in (small, large)]
            for _ in range(TURNS)
        ]
    made = []
    for number in range(2):
        shares = [pair[1][number].value / pair[0][number].value * 100 for pair in pairs]
        share, what = statistics.median(shares), pairs[0][0][number].what
        beside = f"with {SMALL:,}: {statistics.median(p[0][number].value for p in pairs):,.0f}"
        made.append(
            Figure(
                f"{what}: with {stored:,} stored",
                share,
                "% of the rate",
                "≥ 90",
                share >= 90,
                beside,
                notes={"turn by turn": [round(each) for each in shares]},
            )
        )
    return made


def alone(stored: int) -> dict[str, Callable[[], list[Figure]]]:
    """Those that take servers of their own, or none."""
    return {
        "growth": lambda: growth(stored),
        "identity": identity,
        "matching": matching,
        "linkage": linkage,
        "carriers": carriers,
        "scaling": scaling,
        "backup": backup,
        "gates": gates,
        "suppression": suppression,
        "erasing": erasing,
        "segmenting": segmenting,
        "reading": reading,
        "membership": membership,
        "previewing": previewing,
        "personalizing": personalizing,
        "pulling": pulling,
        "mail": mail,
    }


def run(names: list[str], stored: int, failed: list[str]) -> Iterator[list[Figure]]:
    """The figures by name, as they are found; what breaks is told, and keeps no other back."""
    others = alone(stored)
    if not names or set(names) - others.keys():
        yield from on_platform(names, failed)
    for name, measure in others.items():
        if not names or name in names:
            yield attempted(name, measure, failed)


def attempted(name: str, measure: Callable[[], list[Figure]], failed: list[str]) -> list[Figure]:
    """What one of them comes to; none, and its name in `failed`, if it breaks."""
    console.print(f"{name} …")
    try:
        return measure()
    except Exception:  # noqa: BLE001 - of one figure: told, and the others are taken
        console.print_exception()
        failed.append(name)
        return []


def on_platform(names: list[str], failed: list[str]) -> Iterator[list[Figure]]:
    """Those that are measured on one platform, in this order."""
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as platform:
        figures.define_segments(platform)
        steps: dict[str, Callable[[], Figure | list[Figure]]] = {
            "idle": lambda: figures.idle(platform),
            "ingest": lambda: figures.ingest(platform),
            "single": lambda: figures.single(platform),
            "sustained": lambda: figures.sustained(platform),
            "latency": lambda: figures.latency(platform),
            "hanging": lambda: hanging(platform),
            "telling": lambda: telling(platform),
            "replay": lambda: replay(Path(home) / "data"),
        }
        for name, step in steps.items():
            if names and name not in names:
                continue

            def measure(step: Callable[[], Figure | list[Figure]] = step) -> list[Figure]:
                found = step()
                platform.wait_quiet(600)
                return found if isinstance(found, list) else [found]

            yield attempted(name, measure, failed)


def show(made: list[Figure]) -> None:
    """A table for people."""
    table = Table("figure", "measured", "target", "", "beside it", "ratio")
    for each in made:
        ratio = f"{each.ratio:.2f}" if each.ratio is not None else ""
        mark = "[green]met[/]" if each.met else "[red]missed[/]"
        measured = (
            f"{each.value:,.0f} {each.unit}"
            if each.value >= 100
            else (f"{each.value:.1f} {each.unit}")
        )
        table.add_row(each.what, measured, each.target, mark, each.beside, ratio)
    console.print(table)
    for each in made:
        if each.notes:
            told = "; ".join(f"{name}: {value}" for name, value in each.notes.items())
            console.print(f"  {each.what}: {told}", highlight=False)


def main() -> int:
    """Parse, run, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="which figures; all of them if left out")
    parser.add_argument("--stored", type=int, default=2_000_000, help="events for `growth`")
    options = parser.parse_args()
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    made: list[Figure] = []
    failed: list[str] = []
    try:
        for found in run(options.names, options.stored, failed):
            made += found
            write(made, path)
    finally:
        show(made)
        if made:
            console.print(f"written to bench/results/{path.name}")
    if failed:
        console.print(f"[red]not measured, for they failed:[/] {', '.join(failed)}")
    return 1 if failed else 0


def write(made: list[Figure], path: Path) -> None:
    """What is known so far: a run that is broken off keeps what it had found."""
    path.parent.mkdir(exist_ok=True)
    about = {"cores": os.cpu_count(), "python": machine.python_version()}
    told = {"about": about, "figures": [dataclasses.asdict(each) for each in made]}
    path.write_text(json.dumps(told, indent=1))


sys.exit(main())
