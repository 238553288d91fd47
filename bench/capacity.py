"""What a load needs, reckoned from what `make bench` measured: `python -m bench.capacity [FILE]`.

Everything is linear in events per second or in people, so each line is one multiplication. What is
assumed stands in `Assumed`, what was measured in the file; without one it is `bench/capacity.json`.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOADS = {"10 M": 10_000_000, "1 B": 1_000_000_000, "100 B": 100_000_000_000}
MEASURED = Path(__file__).with_name("capacity.json")
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Assumed:
    """What no bench can tell."""

    peak: float = 3.0  # of the day's mean
    busy: float = 0.6  # of a core, at the peak
    events_per_person: float = 500.0  # in the time that is kept
    kept_days: int = 365
    kafka_days: int = 7
    kafka_copies: int = 3
    database_copies: int = 2  # the primary and one standby
    viewed: float = 0.1  # of all people, whose views lie in the cache
    server_cores: int = 64  # of the largest database server one wants to own
    server_wal: float = 400e6  # bytes a second that its disks write ahead, day and night
    server_disk: float = 30e12  # bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """An event's price: microseconds of a core by process, bytes by place; one worker's rate."""

    cpu: Mapping[str, float]
    stored: Mapping[str, float]
    person: float  # bytes of state
    view: float  # bytes of cache
    worker_rate: float

    @classmethod
    def read(cls, path: Path) -> Measured:
        """From a file of figures that `scaling` is among: over Kafka, with the most workers."""
        figures = json.loads(path.read_text())["figures"]
        notes = [each["notes"] for each in figures if "bytes/event" in each["notes"]]
        if not notes:
            raise SystemExit(f"{path} has no scaling figures: run `python -m bench scaling` first")
        rates = {n["workers"]: f["value"] for f, n in zip(_of(figures), notes, strict=True)}
        chosen = max(notes, key=lambda each: (each["carrier"] == "kafka", each["workers"]))
        bytes_by, events, people = chosen["bytes/event"], chosen["events"], chosen["people"]
        state = sum(bytes_by[part] for part in ("identity", "fragments", "profiles", "keys"))
        return cls(
            chosen["cpu us/event"],
            bytes_by,
            state * events / people,
            chosen["cache bytes/profile"],
            rates[1],
        )


def _of(figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in figures if "bytes/event" in each["notes"]]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a load needs."""

    events_per_day: float
    measured: Measured
    assumed: Assumed = Assumed()

    @property
    def peak(self) -> float:
        """Events a second at the busiest time."""
        return self.events_per_day / _DAY * self.assumed.peak

    def cores(self, kind: str) -> float:
        """For a kind of process, at the peak."""
        return self.measured.cpu.get(kind, 0.0) * 1e-6 * self.peak / self.assumed.busy

    @property
    def partitions(self) -> int:
        """Of the log: twice as many as workers are needed, so that they can share evenly."""
        workers = self.peak / (self.measured.worker_rate * self.assumed.busy)
        return max(8, 2 ** math.ceil(math.log2(max(1.0, 2 * workers))))

    @property
    def people(self) -> float:
        """Who is known."""
        return self.events_per_day * self.assumed.kept_days / self.assumed.events_per_person

    @property
    def log(self) -> float:
        """Bytes of events in PostgreSQL, of one copy."""
        return self.measured.stored["log"] * self.events_per_day * self.assumed.kept_days

    @property
    def state(self) -> float:
        """Bytes of everything else there, of one copy."""
        return self.measured.person * self.people

    @property
    def wal(self) -> float:
        """Bytes a second that PostgreSQL writes ahead at the peak."""
        return self.measured.stored["wal"] * self.peak

    @property
    def kafka(self) -> float:
        """Bytes on Kafka's disks, of all copies."""
        kept = self.events_per_day * self.assumed.kafka_days * self.assumed.kafka_copies
        return self.measured.stored["kafka"] * kept

    @property
    def cache(self) -> float:
        """Bytes of Valkey's memory."""
        return self.measured.view * self.people * self.assumed.viewed

    def databases(self) -> dict[str, float]:
        """How many primaries each of a server's limits asks for."""
        assumed = self.assumed
        return {
            "cores": self.cores("postgres") / assumed.server_cores,
            "writing ahead": self.wal / assumed.server_wal,
            "disk": (self.log + self.state) / assumed.server_disk,
        }

    @property
    def shards(self) -> int:
        """Primaries that are needed."""
        return max(1, math.ceil(max(self.databases().values())))

    @property
    def breaks_first(self) -> str:
        """What of one database server is used up first."""
        return max(self.databases().items(), key=lambda each: each[1])[0]


def rows(needs: Needs) -> Iterator[tuple[str, str]]:
    """What is told of a load."""
    yield "events a second at the peak", f"{needs.peak:,.0f}"
    yield "partitions of the log", f"{needs.partitions:,}"
    for kind in ("api", "worker", "relay", "postgres", "kafka"):
        yield f"cores for {kind}", f"{needs.cores(kind):,.1f}"
    yield "people", _short(needs.people)
    yield "log, one copy", _bytes(needs.log)
    yield "state, one copy", _bytes(needs.state)
    yield "written ahead, a second", _bytes(needs.wal)
    yield "Kafka's disks, all copies", _bytes(needs.kafka)
    yield "Valkey's memory", _bytes(needs.cache)
    yield "PostgreSQL primaries", f"{needs.shards:,}"
    yield "what breaks first", needs.breaks_first


def table(measured: Measured) -> str:
    """As Markdown."""
    columns = [dict(rows(Needs(load, measured))) for load in LOADS.values()]
    lines = [f"| a day | {' | '.join(LOADS)} |", "|---|" + "---|" * len(LOADS)]
    lines += [f"| {n} | {' | '.join(each[n] for each in columns)} |" for n in columns[0]]
    return "\n".join(lines)


def _short(number: float) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number:,.0f}"


def _bytes(number: float) -> str:
    for size, unit in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number / 1e3:,.1f} kB"


if __name__ == "__main__":
    print(table(Measured.read(Path(sys.argv[1]) if len(sys.argv) > 1 else MEASURED)))
