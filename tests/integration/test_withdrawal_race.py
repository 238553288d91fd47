"""Ten thousand sends by two workers, and people who withdraw while they are under way."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from cdp.instance import Running
from tests.support.parts import Parts
from tests.support.receiver import Answer, Receiver, Request, receiving

PEOPLE = 10_000
BATCH = 500
WITHDRAWING = 12  # at a time
NEAR = 300  # people around those who are sent to just now, of whom the next to withdraw is drawn
SHARE = 6  # of how many one withdraws
MARKETING = "marketing_email"


@dataclass
class Race:
    """Who withdrew when, and whom something was sent to when, by one clock."""

    client: httpx.AsyncClient
    hook: Receiver
    asked: dict[int, float] = field(default_factory=dict)
    acknowledged: dict[int, float] = field(default_factory=dict)
    arrived: dict[int, list[float]] = field(default_factory=dict)
    agreed: int = 0  # people whose agreement is kept: a no counts for what comes after a yes
    over: bool = False

    def received(self, request: Request) -> Answer:
        told = request.json
        if told["type"] == "segment.entered":
            who = int(told["data"]["identifiers"]["user_id"][0])
            self.arrived.setdefault(who, []).append(time.monotonic())
        return 200, {}

    async def buy(self, people: range) -> None:
        """They agree, and order."""
        stamp = {"consent": {"categoryPreferences": {MARKETING: True, "analytics": True}}}
        batch = [
            {"type": "track", "userId": str(who), "event": "Order Completed", "context": stamp}
            for who in people
        ]
        answer = await self.client.post("/v1/batch", json={"batch": batch})
        assert answer.is_success, answer.text
        self.agreed = people.stop

    async def withdraw(self, chance: random.Random) -> None:
        """One after the other until all is sent: by the API, or several by their events' stamps."""
        while not self.over:
            front = len(self.arrived)
            if len(self.asked) > 50 + front // SHARE:
                await asyncio.sleep(0.005)
                continue
            near = range(max(0, front - NEAR // 3), min(self.agreed, front + NEAR))
            left = [who for who in near if who not in self.asked]
            people = chance.sample(left, min(len(left), chance.choice([1, 1, 8])))
            self.asked |= dict.fromkeys(people, time.monotonic())
            if not people:
                await asyncio.sleep(0.01)
            elif len(people) == 1:
                said = {"purpose": MARKETING, "state": "denied"}
                path = f"/api/v1/consent/user_id:{people[0]}"
                self._acknowledge(people, await self.client.put(path, json=said))
            else:
                context = {"consent": {"categoryPreferences": {MARKETING: False}}}
                calls = [{"type": "page", "userId": str(w), "context": context} for w in people]
                answer = await self.client.post("/v1/batch", json={"batch": calls})
                self._acknowledge(people, answer)

    def _acknowledge(self, people: list[int], answer: httpx.Response) -> None:
        assert answer.is_success, answer.text
        self.acknowledged |= dict.fromkeys(people, time.monotonic())

    async def until_over(self, running: Running) -> None:
        """Until every delivery has come to its end."""
        with psycopg.connect(running.database_url, autocommit=True) as database:
            while not all_ended(database):
                await asyncio.sleep(0.1)
        self.over = True


def all_ended(database: psycopg.Connection[Any]) -> bool:
    states = Counter(
        dict(
            database.execute(
                "select state, count(*) from deliveries where kind = 'entered' group by 1"
            ).fetchall()
        )
    )
    return states.total() > 0 and states.keys() <= {"sent", "refused"} and not left(database)


def left(database: psycopg.Connection[Any]) -> int:
    row = database.execute(
        "select sum(h.next_offset - c.next_offset) from heads h join checkpoints c"
        " using (topic, partition)"
    ).fetchone()
    assert row is not None
    return int(row[0])


async def test_nothing_reaches_whoever_has_been_told_that_they_withdrew(
    running: Running, tmp_path: Path
) -> None:
    with Parts(tmp_path, running) as parts:
        for name in ("api", "scheduler", "worker", "worker"):
            parts.start(name)
        segment = {"name": "b", "purpose": MARKETING, "where": {"event": "Order Completed"}}
        async with (
            receiving() as hook,
            httpx.AsyncClient(base_url=parts.url, headers=parts.headers, timeout=60) as client,
        ):
            parts.put("/segments/buyers", segment)
            # A busy receiver may be slow to look: what was given up on is not a late send.
            parts.put("/destinations/crm", {"kind": "webhook", "url": hook.url, "timeout": 30})
            parts.wait_for(lambda: state_of(parts) == "live", "segment")
            race = Race(client, hook)
            # What arrives is noted after the delay, as if the way there took so long.
            hook.answer, hook.delay = race.received, 0.03
            async with asyncio.TaskGroup() as tasks:
                for number in range(WITHDRAWING):
                    tasks.create_task(race.withdraw(random.Random(number)))
                for first in range(0, PEOPLE, BATCH):
                    await race.buy(range(first, first + BATCH))
                tasks.create_task(race.until_over(running))
    holds(race)


def state_of(parts: Parts) -> str:
    return str(parts.client.get("/api/v1/segments/buyers").json()["state"])


def holds(race: Race) -> None:
    """And it was a race: some were sent to while they asked, many before, and many never."""
    late = {
        who: times
        for who, times in race.arrived.items()
        if who in race.acknowledged and max(times) > race.acknowledged[who]
    }
    assert late == {}
    spared = race.acknowledged.keys() - race.arrived.keys()
    raced = [
        who
        for who in race.acknowledged.keys() & race.arrived.keys()
        if race.asked[who] < max(race.arrived[who])
    ]
    told = f"{len(race.arrived)} sent, {len(race.acknowledged)} withdrew, {len(spared)} spared"
    print(told, len(raced), "raced")
    assert len(race.arrived) + len(spared) >= PEOPLE * 0.99, told
    assert len(spared) > 100, told
    assert len(raced) > 10, told
