"""Probabilistic links through the whole platform: simulated households whose truth is known."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench import households
from bench.households import World
from bench.measure import Figure
from cdp import assembly, entrance, main
from cdp.db import named
from cdp.instance import Running
from cdp.log.appender import Appender, Bounds
from cdp.log.writing import fact_of
from cdp.processes import tune
from cdp.settings import Settings
from consent.model import is_about_consent
from identity import rulebook
from identity.identifiers import subject
from identity.matching import store
from identity.matching.schema import MatchingSchema
from identity.schema import RulesSchema, rules_of, written
from tests.support.driver import Driver
from tests.support.stores import MASTER_KEY, PARTITIONS, started

HOMES = 1500
CONFIDENCE = 0.95
_PROFILES = named("select id, profile from nodes")


def matching() -> list[Figure]:
    """On servers of its own."""
    tune()
    with tempfile.TemporaryDirectory() as home, started(Path(home)) as stores:
        return asyncio.run(_measure(stores.fresh(), Path(home)))


async def _measure(running: Running, home: Path) -> list[Figure]:
    settings = Settings(
        data_dir=home, master_key=MASTER_KEY, partitions=PARTITIONS, jurisdiction="CA"
    )
    core = assembly.assemble(settings, running)
    await assembly.prepare(settings, core)
    world = households.simulate(HOMES)
    async with main.pipeline(core) as work:
        driver = Driver(core, work)
        await _tell(core, world)
        await driver.settle()
        owner = {core.vault.subject(*each): who for each, who in world.owner.items()}
        certain = await _profiles(core)
        rate = await _compare(core, driver)
        async with core.database.transaction() as connection:
            rules = rules_of(RulesSchema().load({"confidence": CONFIDENCE}))
            await rulebook.put(connection, written(rules))
        await driver.settle()
        likely = await _profiles(core)
    await core.close()
    return [_quality(certain, likely, owner), rate]


async def _tell(core: assembly.Core, world: World) -> None:
    appender = Appender(entrance.writer(core, entrance.gates(core, "CA")), Bounds())
    writing = asyncio.create_task(appender.run())
    facts = []
    for event in world.events:
        who = subject(event)
        assert who is not None
        consent = is_about_consent(event)
        facts.append(fact_of(event, core.vault.subject(*who), consent=consent))
    for at in range(0, len(facts), 2000):
        await appender.append(facts[at : at + 2000])
    writing.cancel()


async def _profiles(core: assembly.Core) -> Mapping[bytes, bytes]:
    async with core.database.transaction() as connection:
        return {row[0]: row[1] for row in await connection.execute(_PROFILES)}


async def _compare(core: assembly.Core, driver: Driver) -> Figure:
    """Learn; then the rate at which everybody is looked at by what was learned."""
    async with core.database.transaction() as connection:
        await store.put(connection, MatchingSchema().load({}))
    step = driver.jobs.matching.step
    learning = looking = 0.0
    while True:
        async with core.database.transaction() as connection:
            before = await store.current(connection)
        assert before is not None
        started_at = time.perf_counter()
        if not await step():
            break
        taken = time.perf_counter() - started_at
        learning += taken if before.state == "learning" else 0.0
        looking += taken if before.model is not None else 0.0
    async with core.database.transaction() as connection:
        counts = await store.counts(connection)
    rate = counts.compared / looking
    return Figure(
        "matching: records compared and their links told, with the store",
        rate,
        "records/s",
        "≥ 1,000",
        rate >= 1000,
        notes={"records": counts.compared, "s to learn": round(learning, 1)},
    )


def _quality(
    certain: Mapping[bytes, bytes], likely: Mapping[bytes, bytes], owner: Mapping[bytes, int]
) -> Figure:
    """Over pairs of those who were several without likeness; shared devices are nobody's."""
    parts: dict[bytes, set[int]] = defaultdict(set)
    for node, profile in certain.items():
        if node in owner:
            parts[profile].add(owner[node])
    wrong = sum(len(people) > 1 for people in parts.values())
    joined: dict[bytes, list[int]] = defaultdict(list)
    for part, people in parts.items():
        joined[likely[part]].append(min(people))
    right, taken = _pairs(joined.values())
    possible = sum(n * (n - 1) // 2 for n in Counter(min(p) for p in parts.values()).values())
    precision, recall = right / taken, right / possible
    return Figure(
        f"simulated households, likeness from {CONFIDENCE}: precision",
        precision * 100,
        "%",
        "≥ 99 at recall ≥ 60, 0 wrong certain merges",
        precision >= 0.99 and recall >= 0.6 and not wrong,
        f"recall {recall:.3f}, wrong certain merges {wrong}",
        notes={"people": len(set(owner.values())), "parts": len(parts), "pairs": possible},
    )


def _pairs(groups: Iterable[list[int]]) -> tuple[int, int]:
    """How many pairs inside the groups are of one person, and how many there are."""
    right = taken = 0
    for group in groups:
        right += sum(n * (n - 1) // 2 for n in Counter(group).values())
        taken += len(group) * (len(group) - 1) // 2
    return right, taken
