"""How long a page waits to hear what to show: content chosen among 50 rules for each visitor."""

from __future__ import annotations

import itertools
import random
import tempfile
from pathlib import Path

import msgspec

from bench.figures import play
from bench.load import Outcome, request
from bench.measure import Figure, accounted, until_handled
from tests.support.platform import Platform, running

PEOPLE = 1_000_000
RULES, SLOTS = 50, ("hero", "side", "foot")
RATE, SECONDS, CONNECTIONS = 500, 20, 16
_BATCH = 500
_PURPOSE = "personalization"


def personalizing(people: int = PEOPLE) -> list[Figure]:
    """Three slots at once, of people drawn from all there are, beside a constant."""
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as platform:
        _define(platform)
        _fill(platform, people)
        draw = random.Random(7)
        asked = [_asked(platform, draw.randrange(people)) for _ in range(RATE * SECONDS)]
        play(platform, iter(asked[:RATE]), connections=CONNECTIONS, rate=RATE)  # warm
        with accounted(platform, len(asked)) as spent:
            found = play(platform, iter(asked), connections=CONNECTIONS, rate=RATE)
        again = play(platform, iter(asked[-RATE:] * 4), connections=CONNECTIONS, rate=RATE)
        constant = b"GET /health/live HTTP/1.1\r\nHost: bench\r\n\r\n"
        floor = play(platform, iter([constant] * len(asked)), connections=CONNECTIONS, rate=RATE)
    what = f"/personalize/content, {people:,} profiles, {RULES} rules, {len(SLOTS)} slots"
    notes = {"cpu us/request": spent, "asked again p50 ms": _ms(again, 0.5)}
    return [
        _figure(f"{what}, p50", found, floor, (0.5, 3.0), notes),
        _figure(f"{what}, p99", found, floor, (0.99, 10.0), {}),
    ]


def _figure(
    what: str, found: Outcome, floor: Outcome, wanted: tuple[float, float], notes: dict[str, object]
) -> Figure:
    quantile, most = wanted
    value = _ms(found, quantile)
    beside = _ms(floor, quantile)
    return Figure(
        f"{what} at {RATE}/s",
        value,
        "ms",
        f"< {most:.0f}",
        value < most,
        f"the same server answering a constant: {beside:.2f} ms",
        value / beside,
        notes,
    )


def _ms(outcome: Outcome, quantile: float) -> float:
    return round(outcome.quantile(quantile) * 1000, 2)


def _define(platform: Platform) -> None:
    """A segment and a content for each rule."""
    for rule in range(RULES):
        where = {"trait": "tier", "eq": rule}
        segment = {"name": f"Tier {rule}", "purpose": _PURPOSE, "where": where}
        platform.put(f"/segments/tier-{rule}", segment)
        html = {"en": f"<p>Tier {rule} of {{{{ content.name }}}}</p>"}
        content = {
            "name": f"Offer {rule}",
            "slots": [SLOTS[rule % len(SLOTS)]],
            "variants": [{"key": key, "html": html} for key in ("a", "b")],
            "segments": [f"tier-{rule}", f"tier-{(rule + 1) % RULES}"],
            "purpose": _PURPOSE,
            "priority": rule % 5,
        }
        platform.put(f"/content/offer-{rule}", content)
    platform.wait_quiet()


def _fill(platform: Platform, people: int) -> None:
    """So many profiles, each in one segment."""
    key = platform.keys["write_key"]
    numbers = iter(range(people))
    for _ in range(0, people, 100_000):
        bodies = []
        while chunk := list(itertools.islice(numbers, _BATCH)):
            batch = [
                {"type": "identify", "userId": f"p{n}", "traits": {"tier": n % RULES}}
                for n in chunk
            ]
            body = msgspec.json.encode({"batch": batch})
            bodies.append(request("/v1/batch", body, host="bench", key=key))
            if len(bodies) == 100_000 // _BATCH:
                break
        play(platform, iter(bodies), connections=8)
        until_handled(platform)


def _asked(platform: Platform, person: int) -> bytes:
    slots = "&".join(f"slot={slot}" for slot in SLOTS)
    path = f"/personalize/content?user_id=p{person}&{slots}"
    key = platform.keys["write_key"]
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nX-Write-Key: {key}\r\n\r\n".encode()
