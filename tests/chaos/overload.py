"""Ten times what the collector can take: it takes what it can and refuses the rest in time."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil

from tests.chaos.checker import Finding
from tests.chaos.raw import Answer, Connection
from tests.chaos.scenario import Report, Stage
from tests.chaos.world import World, world

TIMES = 10
SECONDS = 60
BATCH = 200
_MEASURING = 15
_CLOSED = 24  # connections that find out what it can take
_OPEN = 800  # connections that arrivals are spread over
_MARK = b"@@@@@@@@"
_WHO = b"####"
_GROUPS = 500  # of ten people: all have been there before the flood comes
_WARM = 10  # seconds until memory may be called flat
_POLITE = {429, 503}


@dataclass
class Seen:
    """What the senders saw. `unsaid`: arrivals that found no connection free."""

    answers: Counter[int] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    unsaid: int = 0
    impolite: int = 0

    def note(self, answer: Answer, seconds: float) -> None:
        """Latency counts for those that were let in."""
        self.answers[answer.status] += 1
        if answer.status == 200:
            self.took.append(seconds)
        elif answer.status not in _POLITE or not answer.retry_after:
            self.impolite += 1


async def overload(stage: Stage) -> Report:
    """Goodput, memory and latency at ten times the capacity."""
    async with world(stage.home, stage.dice) as made:
        requests = _requests(made)
        closed, memory = await _closed(made, requests), list[int]()
        capacity = closed.answers[200] * BATCH / _MEASURING
        made.note(f"capacity {capacity:,.0f} events/s in batches of {BATCH}")
        watching = asyncio.create_task(_watch(made.running("cdp api")[0], memory))
        flood = await _flood(made, requests, TIMES * capacity / BATCH)
        watching.cancel()
        await made.quiet(400)
        stored = made.platform.status()["events"]
    lost = (closed.answers[200] + flood.answers[200]) * BATCH - stored
    kept = Finding(
        f"{stored:,} events stored", f"{lost} acknowledged ones lost" if lost > 0 else ""
    )
    return Report([*_judged(made, flood, capacity, memory), kept], made.notes)


def _requests(made: World) -> Iterator[bytes]:
    """Batches that nobody has sent before."""
    mark, who = _MARK.decode(), _WHO.decode()
    messages = [
        {
            "type": "track",
            "event": "Tick",
            "userId": f"user {who} {number % 10}",
            "messageId": f"{mark} {number}",
            "properties": {"path": "/products/4711", "title": "A page as pages are", "price": 12.5},
            "context": {"library": {"name": "analytics.js", "version": "2.1.0"}, "locale": "en-CA"},
        }
        for number in range(BATCH)
    ]
    body = json.dumps({"batch": messages}).encode()
    head = (
        f"POST /v1/batch HTTP/1.1\r\nHost: cdp\r\nContent-Type: application/json\r\n"
        f"X-Write-Key: {made.platform.keys['write_key']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    whole = head.encode() + body
    grouped = [whole.replace(_WHO, b"%04d" % group) for group in range(_GROUPS)]
    return (grouped[n % _GROUPS].replace(_MARK, b"%08x" % n) for n in itertools.count())


async def _closed(made: World, requests: Iterator[bytes]) -> Seen:
    """As many as it answers, each sender waiting for its answer."""
    seen, ends = Seen(), time.monotonic() + _MEASURING

    async def sender() -> None:
        connection = Connection("127.0.0.1", made.platform.port)
        while time.monotonic() < ends:
            await _ask(connection, next(requests), seen)
        connection.close()

    await asyncio.gather(*(sender() for _ in range(_CLOSED)))
    return seen


async def _flood(made: World, requests: Iterator[bytes], rate: float) -> Seen:
    """So many requests a second, whatever becomes of them."""
    seen = Seen()
    free = [Connection("127.0.0.1", made.platform.port) for _ in range(_OPEN)]
    asking: set[asyncio.Task[None]] = set()

    async def ask(connection: Connection) -> None:
        await _ask(connection, next(requests), seen)
        free.append(connection)

    started, said = time.monotonic(), 0
    while (now := time.monotonic() - started) < SECONDS:
        while said < now * rate:
            said += 1
            if not free:
                seen.unsaid += 1
                continue
            task = asyncio.create_task(ask(free.pop()))
            asking.add(task)
            task.add_done_callback(asking.discard)
        await asyncio.sleep(0.002)
    await asyncio.gather(*asking)
    for connection in free:
        connection.close()
    made.note(
        f"offered {said * BATCH / SECONDS:,.0f} events/s for {SECONDS} s, {seen.unsaid} unsaid"
    )
    return seen


async def _ask(connection: Connection, request: bytes, seen: Seen) -> None:
    started = time.monotonic()
    seen.note(await connection.ask(request), time.monotonic() - started)


async def _watch(api: psutil.Process, memory: list[int]) -> None:
    while True:
        memory.append(api.memory_info().rss >> 20)
        await asyncio.sleep(1)


def _judged(made: World, seen: Seen, capacity: float, memory: list[int]) -> Iterator[Finding]:
    made.note(f"answers {dict(seen.answers)}")
    goodput = seen.answers[200] * BATCH / SECONDS
    share = goodput / capacity
    what = f"goodput {goodput:,.0f} events/s is {share:.0%} of the capacity"
    yield Finding(what, "" if share >= 0.8 else "less than 80 %")
    early, late = max(memory[:_WARM]), max(memory[_WARM:])
    what = f"the collector's memory: {early} MiB in the first {_WARM} s, {late} MiB after"
    yield Finding(what, "" if late <= early * 1.1 else "it grows")
    p99 = statistics.quantiles(seen.took, n=100)[-1]
    what = f"p99 of those let in is {p99:.2f} s, median {statistics.median(seen.took):.2f} s"
    yield Finding(what, "" if p99 <= 5 else "more than 5 s")
    what = "all others were told 503 or 429, and when to come again"
    yield Finding(what, f"{seen.impolite} were not" if seen.impolite else "")
