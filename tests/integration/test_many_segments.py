"""With many segments only what can have changed is evaluated, and all of it is right."""

from __future__ import annotations

import random
from typing import Any

import pytest

from cdp import times
from cdp.instance import Running
from profiles import verdicts
from tests.conftest import Api
from tests.integration.test_language_live import MINUTE, define, replays

DENIES = {"categoryPreferences": {"analytics": False}}
MANY = [
    line.format(n=n)
    for n in (1, 2, 3)
    for line in (
        "count('Product Viewed' where price > {n}, 7d) >= {n}",
        "trait.country in ('DE', 'AT') and count('Order Completed', {n}d) >= 1",
        "sum(revenue of 'Order Completed', 30d) > {n}",
        "distinct(category of 'Product Viewed', {n}h) >= 2",
        "days('page', 30d) >= {n}",
        "sequence('Product Viewed' then no 'Order Completed' for {n}h, 7d) >= 2",
        "first_seen within {n}d and not count('Order Completed') >= 1",
        "consent.analytics and since_last('page') > {n}d",
    )
]


async def test_only_some_are_evaluated_and_all_are_right(api: Api, running: Running) -> None:
    for number, line in enumerate(MANY):
        await define(api, f"s{number}", line)
    await api.settle()
    judged: list[int] = []
    evaluate = verdicts.verdicts
    with pytest.MonkeyPatch.context() as patch:

        def note(some: Any, *rest: Any) -> Any:
            judged.append(len(some))
            return evaluate(some, *rest)

        patch.setattr(verdicts, "verdicts", note)
        chance = random.Random(7)
        for _ in range(120):
            await _something(api, chance)
            if chance.random() < 0.5:
                await api.settle()
        await api.settle()
    assert sum(each < len(MANY) for each in judged) > len(judged) / 3, judged
    await replays(api, running)


async def _something(api: Api, chance: random.Random) -> None:
    """One of six people does something, or it is found out that two of them are one."""
    who, ago = f"u{chance.randrange(6)}", chance.choice((0, 50, 90, 20 * 60, 30 * 60)) * MINUTE
    told = {"userId": who, "timestamp": times.iso(times.now() - ago)}
    properties = {"price": chance.randrange(5), "revenue": 3, "category": chance.choice("ab")}
    name = chance.choice(("Product Viewed", "Product Viewed", "Order Completed"))
    path, call = chance.choice(
        (
            *(("track", {"event": name, "properties": properties}),) * 6,
            *(("page", {"context": {"timezone": chance.choice(("Asia/Tokyo", "UTC"))}}),) * 2,
            ("identify", {"traits": {"country": chance.choice(("DE", "FR"))}}),
            ("identify", {"anonymousId": f"device-{chance.randrange(4)}"}),
            ("track", {"event": name, "context": {"consent": DENIES}}),
        )
    )
    assert (await api.send(f"/v1/{path}", told | call)).status_code == 200
