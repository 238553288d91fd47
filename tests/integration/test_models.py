"""Models live: events in, clusters out as computed traits, new people assigned, segments made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.conftest import Api
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


async def of(api: Api, name: str) -> Any:
    """Which cluster somebody is in."""
    computed: Any = (await api.get(f"/profiles/user_id:{name}"))["computed"]
    return computed.get("tribes")


@pytest.fixture
async def shop(api: Api) -> Api:
    """Thirty people who buy, and as many who look; and a model of them."""
    people = [*(("b", buyer, n) for n in range(30)), *(("g", gazer, n) for n in range(30))]
    await tell(api, *(each for kind, acts, n in people for each in acts(f"{kind}{n}", n)))
    await api.put("/models/tribes", TRIBES)
    await api.settle()
    return api


async def test_from_events_to_a_segment_of_a_cluster(shop: Api) -> None:
    model: Any = await shop.get("/models/tribes")
    assert (model["state"], model["error"], model["progress"]) == ("live", "", 1.0)
    report = model["fit"]["report"]
    assert report["chosen"] == {"clusters": 2, "silhouette": 2, "elbow": 2}, report["curves"]
    buyers, gazers = await of(shop, "b1"), await of(shop, "g1")
    assert {await of(shop, f"b{n}") for n in range(30)} == {buyers}
    assert {await of(shop, f"g{n}") for n in range(30)} == {gazers}
    assert buyers != gazers
    labels = {each["id"]: each["label"] for each in report["clusters"]}
    assert labels[buyers] == "more tea (taste), more Order Completed, seen lately"
    assert labels[gazers].startswith("more cake (taste), more Product Viewed")

    path = f"/models/tribes/clusters/{buyers}/segment"
    made = await shop.call("POST", path, json={"key": "regulars", "name": "Regulars"})
    assert made.status_code == 200, made.text
    await shop.settle()
    assert (await shop.get("/segments/regulars"))["size"] == 30

    await tell(shop, *buyer("new", 1))
    assert await of(shop, "new") == buyers
    assert (await shop.get("/segments/regulars"))["size"] == 31
