"""A shop with two kinds of people, those who buy and those who look, and a model of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.support.instances import Api
from tests.support.people import ALLOWS

NOW = datetime.now(UTC)
TRIBES = {
    "kind": "clusters",
    "name": "Kinds of customers",
    "features": {
        "spent": "sum(revenue of 'Order Completed')",
        "taste": "most_frequent(category of 'Product Viewed')",
        "visits": {"sessions": ["Product Viewed", "Order Completed"]},
    },
}


def days_ago(days: float) -> str:
    return (NOW - timedelta(days)).isoformat()


def buyer(name: str, number: int) -> Iterator[dict[str, Any]]:
    """Orders a lot, and looks at tea."""
    luck = Random(number)
    for _ in range(luck.randint(5, 9)):
        days = luck.uniform(0.1, 20)
        yield did(name, "Order Completed", days, {"revenue": luck.uniform(50, 99)})
        yield did(name, "Product Viewed", days + 0.01, {"category": "tea"})


def gazer(name: str, number: int) -> Iterator[dict[str, Any]]:
    """Looks at cake and buys nothing."""
    luck = Random(number)
    for _ in range(luck.randint(2, 9)):
        yield did(name, "Product Viewed", luck.uniform(40, 60), {"category": "cake"})


def did(name: str, event: str, days: float, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "track",
        "userId": name,
        "event": event,
        "timestamp": days_ago(days),
        "properties": properties,
        "context": ALLOWS,
    }


async def tell(api: Api, *events: dict[str, Any]) -> None:
    for start in range(0, len(events), 400):
        answer = await api.send("/v1/batch", {"batch": events[start : start + 400]})
        assert answer.status_code == 200, answer.text
    await api.settle()


async def open_shop(api: Api) -> None:
    """Thirty people of each kind, and what is learned of them."""
    people = [*(("b", buyer, n) for n in range(30)), *(("g", gazer, n) for n in range(30))]
    await tell(api, *(each for kind, acts, n in people for each in acts(f"{kind}{n}", n)))
    await api.put("/models/tribes", TRIBES)
    await api.settle()


async def of(api: Api, name: str) -> Any:
    """Which cluster somebody is in."""
    computed: Any = (await api.get(f"/profiles/user_id:{name}"))["computed"]
    return computed.get("tribes")


async def fit(api: Api) -> None:
    assert (await api.call("POST", "/models/tribes/fit")).is_success
    await api.settle()


async def facts(api: Api, name: str) -> int:
    """How often models said something new of somebody."""
    told: Any = await api.get(f"/profiles/user_id:{name}/timeline?event=predict")
    return len(told["timeline"])
