"""RFM scores live: fifths of all customers as a computed trait, and in segments."""

from __future__ import annotations

from typing import Any

from tests.conftest import Api
from tests.support.tribes import did, tell

RFM = {"kind": "rfm", "name": "RFM", "every": "1d"}


async def scored(api: Api, name: str) -> Any:
    computed: Any = (await api.get(f"/profiles/user_id:{name}"))["computed"]
    return computed.get("rfm")


async def test_customers_have_their_scores_and_others_none(api: Api) -> None:
    orders = [
        did(f"u{n}", "Order Completed", 1 + n + turn / 100, {"revenue": 100 - n})
        for n in range(50)
        for turn in range(5 - n // 10)
    ]
    await tell(api, *orders, did("gazer", "Product Viewed", 1, {}))
    made: Any = await api.put("/models/rfm", RFM)
    assert made["definition"]["features"] == {
        "recency": "since_last('Order Completed')",
        "frequency": "count('Order Completed')",
        "monetary": "sum(revenue of 'Order Completed')",
    }
    best = {"name": "Champions", "purpose": "profiling", "where": "computed.rfm starts_with '55'"}
    await api.put("/segments/champions", best)
    await api.settle()
    said = [await scored(api, f"u{n}") for n in (0, 9, 10, 25, 49)]
    assert said == ["555", "555", "444", "333", "111"]
    assert await scored(api, "gazer") is None
    model: Any = await api.get("/models/rfm")
    report = model["fit"]["report"]
    assert (report["customers"], report["others"]) == (50, 1)
    assert report["scores"]["monetary"][0] | {"mean": 0} == {
        "score": 5, "customers": 10, "from": 455.0, "to": 500.0, "mean": 0,
    }  # fmt: skip
    assert (await api.get("/segments/champions"))["size"] == 10
    await tell(api, *(did("new", "Order Completed", 0.1, {"revenue": 999}) for _ in range(6)))
    assert await scored(api, "new") == "555"
    assert (await api.get("/segments/champions"))["size"] == 11


async def test_too_few_customers_are_told_of(api: Api) -> None:
    await tell(api, did("one", "Order Completed", 1, {"revenue": 5}))
    await api.put("/models/rfm", RFM)
    await api.settle()
    model: Any = await api.get("/models/rfm")
    told = "1 people allow the purpose and did it; 50 are needed"
    assert (model["state"], model["error"]) == ("failed", told)
