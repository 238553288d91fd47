"""What faults are done to: a platform of its own, Kafka where it is wanted, and a receiver."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.chaos.extras import Extras
from tests.chaos.load import Load
from tests.support.kafka import Kafka
from tests.support.kafka_jars import jars
from tests.support.platform import Platform
from tests.support.receiver import Receiver, receiving

BUSY = 20  # events that make somebody busy
_PROBES = 16  # people, so that each partition has some


@dataclass
class World:
    """One platform with a segment and a destination, and dice that the seed has thrown."""

    platform: Platform
    receiver: Receiver
    dice: random.Random
    kafka: Kafka | None = None
    notes: list[str] = field(default_factory=list)
    extras: Extras = field(init=False)

    def __post_init__(self) -> None:
        self.extras = Extras(self.platform.home, self.platform.environment)

    def note(self, text: str) -> None:
        """Say what has happened, on the terminal and in the report."""
        self.notes.append(text)
        print(f"    {text}", flush=True)

    @property
    def database_url(self) -> str:
        """Of the embedded PostgreSQL."""
        return str(json.loads((self.platform.home / "data/services.json").read_text())["database"])

    def load(self, **how: object) -> Load:
        """Senders to this platform."""
        how = {"urls": [self.platform.url], "write_key": self.platform.keys["write_key"], **how}
        return Load(**how)  # type: ignore[arg-type]

    def running(self, words: str) -> list[psutil.Process]:
        """The processes of a kind, like `cdp worker`; those of PostgreSQL are all of them."""
        if words == "kafka":
            assert self.kafka is not None and self.kafka.pid is not None
            return [psutil.Process(self.kafka.pid)]
        return self.platform.processes(words)

    async def until_seen(self, load: Load, seconds: float) -> float:
        """How long it takes until what a few people do shows in their profiles."""
        people = [f"{load.prefix} probe {number}" for number in range(_PROBES)]
        started = time.monotonic()
        await load.say(people)
        said = sum(1 for message in load.messages if message.user == people[0])
        unseen = set(people)
        while unseen:
            counts = {user: await asyncio.to_thread(self._ticks, user) for user in unseen}
            unseen = {user for user, count in counts.items() if count < said}
            if time.monotonic() - started > seconds:
                lag = await asyncio.to_thread(self.platform.gauges)
                told = {name: n for name, n in lag.items() if n and "lag" in name}
                raise AssertionError(f"not seen after {seconds} s: {sorted(unseen)}, {told}")
            await asyncio.sleep(0.1)
        return time.monotonic() - started

    def _ticks(self, user: str) -> int:
        events = self.platform.profile(f"user_id:{user}").get("events", {})
        return int(events.get("Tick", 0))

    async def quiet(self, seconds: float = 240) -> None:
        """Until all that was harmed is back, and everything that was sent is handled."""
        await asyncio.to_thread(self.platform.wait_ready, seconds)
        await asyncio.to_thread(self.platform.wait_quiet, seconds)


@asynccontextmanager
async def world(
    home: Path,
    dice: random.Random,
    *,
    with_kafka: bool = False,
    kafka_kind: type[Kafka] = Kafka,
    **settings: str,
) -> AsyncIterator[World]:
    """A world for as long as the block lasts; nothing of it is left then, or it is an error."""
    home.mkdir(parents=True)
    kafka = kafka_kind(home, jars()) if with_kafka else None
    try:
        if kafka is not None:
            await asyncio.to_thread(kafka.start)
            settings["CDP_KAFKA_URL"] = f"kafka://{kafka.address}?replication=1"
        async with receiving() as receiver:
            platform = Platform(home, **settings)
            made = World(platform, receiver, dice, kafka)
            try:
                await asyncio.to_thread(platform.start)
                await asyncio.to_thread(_define, made)
                yield made
            finally:
                await made.extras.end()
                await asyncio.to_thread(platform.stop)
                platform.close()
                _nothing_is_left(home)
    finally:
        if kafka is not None:
            await asyncio.to_thread(kafka.close)


def _define(made: World) -> None:
    busy = {"event": "Tick", "count": {"gte": BUSY}, "within": "7d"}
    made.platform.put("/segments/busy", {"name": "Busy", "purpose": "analytics", "where": busy})
    hook = {"kind": "webhook", "url": made.receiver.url, "purpose": "analytics"}
    made.platform.put("/destinations/hook", hook | {"segments": ["busy"]})


def _nothing_is_left(home: Path) -> None:
    """AssertionError if any process still has this data directory."""
    data = str(home / "data")
    left = [p for p in psutil.process_iter() if p.pid != os.getpid() and _belongs(p, data)]
    assert not left, f"orphans: {left}"


def _belongs(process: psutil.Process, data: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return data in " ".join(process.cmdline()) or process.environ().get("CDP_DATA_DIR") == data
    except psutil.Error:
        return False


@contextmanager
def stopped(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """Processes that stand still for as long as the block lasts, and then go on."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in reversed(processes):
            if process.is_running():
                process.send_signal(signal.SIGCONT)
