"""Timelines page through everything somebody did; many profiles are read at once."""

from __future__ import annotations

from typing import Any

from cdp import times
from tests.conftest import Api
from tests.integration.test_past import HOUR, order


async def pages_of(api: Api, query: str, between: Any = None) -> list[Any]:
    found, cursor = [], ""
    while cursor is not None:
        page: Any = await api.get(f"/profiles/user_id:ada/timeline?{query}&cursor={cursor}")
        found += page["timeline"]
        cursor = page["next"]
        if between is not None:
            await between()
    return found


async def test_a_timeline_skips_and_repeats_nothing_while_events_arrive(api: Api) -> None:
    await api.put("/segments/orders", {"name": "Orders", "where": {"event": "order"}})
    same = times.iso(times.now() - HOUR)
    batch = [
        {"type": "track", "userId": "ada", "event": "order" if n % 3 else "look", "timestamp": same}
        | {"messageId": f"m{n}", "properties": {"n": n}}
        for n in range(40)
    ]
    assert (await api.send("/v1/batch", {"batch": batch})).is_success
    word = {"a": "user_id:ada", "b": "anonymous_id:d1", "reason": "hers"}
    assert (await api.call("POST", "/identity/link", json=word)).is_success
    await order(api, "anonymous_id:d1")
    await api.settle()
    whole = await pages_of(api, "limit=1000&include=segments")
    assert [each["kind"] for each in whole].count("segment") >= 1
    assert [each["at"] for each in whole] == sorted((e["at"] for e in whole), reverse=True)

    async def arrive() -> None:
        await order(api, "user_id:ada", ago=2 * HOUR)
        await order(api, "user_id:ada")

    paged = await pages_of(api, "limit=7&include=segments", arrive)
    late = {each["id"] for each in paged if each["kind"] == "event"} - {
        each["id"] for each in whole if each["kind"] == "event"
    }
    assert late  # what came in meanwhile and happened earlier is on a later page
    assert [each for each in paged if each.get("id") not in late] == whole
    looks = await pages_of(api, "limit=5&event=look")
    assert sorted(each["properties"]["n"] for each in looks) == list(range(0, 40, 3))
    assert await pages_of(api, f"to={times.iso(times.parse(same) - 3 * HOUR)}") == []
    assert len(await pages_of(api, f"from={same}&to={same}&limit=9")) == 40
    for query in ("include=all", "cursor=AAAA", "limit=0"):
        answer = await api.call("GET", f"/profiles/user_id:ada/timeline?{query}")
        assert answer.status_code == 400


async def test_many_are_read_at_once_in_the_order_asked_for(api: Api) -> None:
    for user in ("ada", "bob"):
        await order(api, f"user_id:{user}")
    await api.settle()
    ada: Any = await api.get("/profiles/user_id:ada")
    wanted = ["user_id:bob", "user_id:null", ada["profile_id"], "user_id:nobody", "user_id:ada"]
    answer = await api.call("POST", "/profiles/read", json={"refs": wanted})
    told = answer.json()["profiles"]
    assert [each["ref"] for each in told] == wanted
    assert [each["profile"] and each["profile"]["identifiers"]["user_id"] for each in told] == [
        ["bob"],
        None,
        ["ada"],
        None,
        ["ada"],
    ]
    assert told[2]["profile"] == told[4]["profile"] == ada
    for refs, field in (([], "refs"), (["x"], "refs[0]"), (["a:b"] * 1001, "refs")):
        refused = await api.call("POST", "/profiles/read", json={"refs": refs})
        assert (refused.status_code, refused.json()["field"]) == (400, field)
