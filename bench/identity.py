"""Identity: a whole graph, the first agent over a large one, taking a merge back, trying rules."""

from __future__ import annotations

import asyncio
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from bench import world
from bench.measure import Figure
from bench.trying import dry_run
from cdp import assembly, entrance, main, times
from cdp.db import named
from cdp.events import SCHEMA, Event
from cdp.instance import Running
from cdp.log.appender import Appender, Bounds
from cdp.log.writing import fact_of
from cdp.processes import tune
from cdp.settings import Settings
from identity.graph import Edge, Node, NodeId
from identity.identifiers import subject
from identity.model import Facts, resolve
from identity.rules import Rules
from tests.support.driver import Driver
from tests.support.stores import MASTER_KEY, PARTITIONS, started

LINKS = 1_000_000
CHUNKS, CHUNK = 40, 1000
DEVICES, UNLINKS = 1000, 10
HOT = 100  # people to whom a fifth of the events of the hot mix belong
# By these, whoever has more than five devices falls apart.
PARTING = {"namespaces": {"user_id": {"neighbours": 5}}}
_NODES = named("select id, namespace, first_seen from nodes")
_EDGES = named("select a, b, kind, first_seen, event from edges")


def identity() -> list[Figure]:
    """All of them, on servers of their own."""
    tune()
    with tempfile.TemporaryDirectory() as home, started(Path(home)) as stores:
        running = stores.fresh()
        made, api_key, people = asyncio.run(_measure(running, Path(home)))
        return made + dry_run(running, Path(home), api_key, PARTING, people)


async def _measure(running: Running, home: Path) -> tuple[list[Figure], str, list[str]]:
    """The figures of one process; an API key, and people of whom there are profiles."""
    settings = Settings(
        data_dir=home, master_key=MASTER_KEY, partitions=PARTITIONS, jurisdiction="CA"
    )
    core = assembly.assemble(settings, running)
    keys = await assembly.prepare(settings, core)
    facts = world.people(core.vault.subject, LINKS)
    world.store(running.database_url, facts)
    numbers = [n for n, node in enumerate(facts.nodes) if node.namespace == "user_id"]
    del facts
    async with main.pipeline(core) as work:
        appender = Appender(entrance.writer(core, entrance.gates(core, "CA")), Bounds())
        writing = asyncio.create_task(appender.run())
        agents = _Agents(core, Driver(core, work), appender)
        made = [await _batch(core)]
        made += [await agents.chunks(mix, numbers) for mix in ("uniform", "hot")]
        made.append(await agents.unlink())
        writing.cancel()
    await core.close()
    return made, keys["api_key"], sorted(agents.seen)


async def _batch(core: assembly.Core) -> Figure:
    """Reading and resolving everything, beside reading it and scipy's components."""
    started_at = time.perf_counter()
    async with core.database.transaction() as connection:
        nodes = [Node(*row) for row in await connection.execute(_NODES)]
        edges = [Edge(*row) for row in await connection.execute(_EDGES)]
    reading = time.perf_counter() - started_at
    started_at = time.perf_counter()
    found = resolve(Facts(nodes, edges), Rules())
    resolving = time.perf_counter() - started_at
    scipys, count = _scipy(nodes, edges)
    assert count == len(set(found.components.values()))
    ratio = (reading + resolving) / (reading + scipys)
    return Figure(
        f"batch resolution of {len(edges):,} links, read from the database",
        reading + resolving,
        "s",
        "≤ 3 times reading and scipy's connected_components",
        ratio <= 3,
        f"reading {reading:.1f} s, scipy {scipys:.2f} s",
        ratio,
        {"peak MB of the process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024},
    )


def _scipy(nodes: list[Node], edges: list[Edge]) -> tuple[float, int]:
    """Seconds for the components alone, and how many; naming nodes by number is not counted."""
    number = {node.id: n for n, node in enumerate(nodes)}
    a = numpy.array([number[each.a] for each in edges])
    b = numpy.array([number[each.b] for each in edges])
    started_at = time.perf_counter()
    shape = (len(nodes), len(nodes))
    graph: Any = coo_matrix((numpy.ones(len(a), dtype=bool), (a, b)), shape=shape)
    count, _ = connected_components(graph, directed=False)
    return time.perf_counter() - started_at, int(count)


class _Agents:
    """The agents by hand, over what is appended."""

    def __init__(self, core: assembly.Core, driver: Driver, appender: Appender) -> None:
        self.core = core
        self.driver = driver
        self.appender = appender
        self.seen: set[str] = set()  # people of whom there is a profile
        self._number = 0

    async def chunks(self, mix: str, users: list[int]) -> Figure:
        """The whole first agent: read the log, resolve, fold, write."""
        taken = []
        for _ in range(CHUNKS):
            await self._append([self._event(**each) for each in _mixed(mix, users)])
            started_at = time.perf_counter()
            done = await self.driver.step(self.driver.stages[0], CHUNK)
            taken.append((time.perf_counter() - started_at, done))
            while await self.driver.step(self.driver.stages[0], CHUNK):
                pass
            await self.driver.settle()
        full = [seconds / done * CHUNK for seconds, done in taken]
        rate = CHUNK / statistics.median(full)
        return Figure(
            f"first agent, {LINKS:,} links stored, {mix} mix",
            rate,
            "events/s",
            "≥ 8,000",
            rate >= 8_000,
            notes={"p99 ms of a chunk": round(sorted(full)[int(len(full) * 0.99)] * 1000)},
        )

    async def unlink(self) -> Figure:
        """From the operator's word to a correct profile, in a component of 1,000."""
        calls = [
            self._event("identify", user_id="big", anonymous_id=f"big-{n}") for n in range(DEVICES)
        ]
        await self._append(calls)
        await self.driver.settle()
        taken = []
        for number in range(UNLINKS):
            pair = [["user_id", "big"], ["anonymous_id", f"big-{number}"]]
            word = self._event("unlink", properties={"identifiers": pair, "reason": "bench"})
            started_at = time.perf_counter()
            node = self.core.vault.subject("user_id", "big")
            await self.appender.append([fact_of(word, node, consent=True)])
            await self.driver.step(self.driver.stages[0])
            await self.driver.step(self.driver.stages[1])
            view = await self._profile(node)
            taken.append((time.perf_counter() - started_at) * 1000)
            assert len(view["identifiers"]["anonymous_id"]) == DEVICES - number - 1
        value = statistics.median(taken)
        return Figure("unlink among 1,000 identifiers", value, "ms", "< 50", value < 50)

    async def _profile(self, node: NodeId) -> dict[str, Any]:
        async with self.core.database.transaction() as connection:
            statement = named("select profile from nodes where id = :id")
            row = (await connection.execute(statement, {"id": node})).one()
            return (await self.core.people.load(connection, [row[0]]))[row[0]]

    async def _append(self, events: list[Event]) -> None:
        facts = []
        for event in events:
            who = subject(event)
            assert who is not None
            facts.append(fact_of(event, self.core.vault.subject(*who), consent=False))
        await self.appender.append(facts)

    def _event(self, kind: str = "track", **fields: Any) -> Event:
        self._number += 1
        now = times.now()
        self.seen.add(fields.get("user_id", "big"))
        digest = self.core.vault.digest(str(self._number).encode())
        name = "Product Viewed" if kind == "track" else ""
        return Event(SCHEMA, kind, digest, 1, str(self._number), now, now, name, **fields)  # type: ignore[arg-type]


def _mixed(mix: str, users: list[int]) -> Iterator[dict[str, Any]]:
    """Nine of ten say nothing new; the tenth signs in on a new device."""
    chance = random.Random()
    for number in range(CHUNK):
        crowd = users[:HOT] if mix == "hot" and number % 5 == 0 else users
        user = f"u{chance.choice(crowd)}"
        if number % 10:
            yield {"user_id": user, "anonymous_id": f"{user}-d0"}
        else:
            device = f"{user}-{chance.getrandbits(40):x}"
            yield {"kind": "identify", "user_id": user, "anonymous_id": device}
