"""The segment language live: sequences, absence, what events amount to, segments in segments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cdp import main, times
from cdp.db import named
from cdp.instance import Running
from cdp.replay import until_quiet
from tests.conftest import Api

MINUTE, HOUR = 60 * times.SECOND, 3600 * times.SECOND
_DUE = named("select due from profiles where due is not null")

HIGH_INTENT = (
    "trait.age is (>= 30 and <= 45) and count('Product Viewed', 48h, same product_id) >= 3"
)
ABANDONED = "sequence('Product Added' then no 'Order Completed' for 2h, 7d, same cart_id) >= 2"


async def did(api: Api, who: str, event: str, ago: int, **properties: Any) -> None:
    call = {"userId": who, "event": event, "properties": properties}
    answer = await api.send("/v1/track", call | {"timestamp": times.iso(times.now() - ago)})
    assert answer.status_code == 200, answer.text


async def define(api: Api, key: str, where: Any) -> Any:
    return await api.put(f"/segments/{key}", {"name": key, "where": where})


async def members(api: Api, key: str) -> list[str]:
    await api.settle()
    page: Any = await api.get(f"/segments/{key}/members?limit=1000")
    return sorted(m["identifiers"]["user_id"][0] for m in page["members"])


async def replays(api: Api, running: Running) -> None:
    async with main.replaying(api.instance.settings, running) as replay:
        assert all(each.equal for each in await until_quiet(replay))


async def test_high_intent_shoppers_aged_30_to_45(api: Api, running: Running) -> None:
    shown = await define(api, "early", HIGH_INTENT)
    assert shown["text"] == HIGH_INTENT
    assert shown["sentence"] == (
        "People whose age is at least 30 and is at most 45, and who did “Product Viewed”"
        " with the same product_id at least 3 times in the last 48 hours."
    )
    for who, age in (("ada", 36), ("bob", 36), ("cy", 50)):
        await api.send("/v1/identify", {"userId": who, "traits": {"age": age}})
    for number in range(3):
        await did(api, "ada", "Product Viewed", (number + 1) * HOUR, product_id="engine")
        await did(api, "bob", "Product Viewed", (number + 1) * HOUR, product_id=f"p-{number}")
        await did(api, "cy", "Product Viewed", (number + 1) * HOUR, product_id="engine")
    await define(api, "late", HIGH_INTENT.replace("48h", "2d"))  # of history, by a new counter
    assert await members(api, "early") == await members(api, "late") == ["ada"]
    dues = {row[0] for row in await api.instance.core.database.rows(_DUE)}
    leaves = times.now() + 45 * HOUR  # the first of the three
    assert dues and all(abs(due - leaves) < MINUTE for due in dues)
    await replays(api, running)


async def test_who_abandoned_a_cart_twice_in_a_week(api: Api, running: Running) -> None:
    await define(api, "abandoned", ABANDONED)
    for who, bought, last in (("ada", 0, 3), ("bob", 1, 3), ("cy", 0, 1)):
        await did(api, who, "Product Added", 30 * HOUR, cart_id="one")
        await did(api, who, "Product Added", 29 * HOUR, cart_id="one")
        await did(api, who, "Product Added", last * HOUR, cart_id="two")
        if bought:
            await did(api, who, "Order Completed", last * HOUR - MINUTE, cart_id="two")
    assert await members(api, "abandoned") == ["ada"]
    dues = {row[0] for row in await api.instance.core.database.rows(_DUE)}
    wanted = times.now() + HOUR  # when cy will have abandoned the second
    assert any(abs(due - wanted) < MINUTE for due in dues)
    told: Any = await api.get("/profiles/user_id:ada/segments/abandoned/explain")
    assert (told["member"], told["tree"]["value"], len(told["tree"]["events"])) == (True, 2, 3)
    await did(api, "ada", "Order Completed", 2 * HOUR, cart_id="two")  # told late
    assert await members(api, "abandoned") == []
    await replays(api, running)


async def test_two_devices_do_together_what_neither_did(api: Api, running: Running) -> None:
    line = "sequence('Viewed' then 'Ordered' within 1h) >= 1 and sum(price of 'Ordered', 1d) > 5"
    await define(api, "buyers", line)
    viewed = {"anonymousId": "phone", "event": "Viewed"}
    ordered = {"anonymousId": "desk", "event": "Ordered", "properties": {"price": "5.50"}}
    for call, ago in ((viewed, 30), (ordered, 10)):
        at = times.iso(times.now() - ago * MINUTE)
        await api.send("/v1/track", call | {"timestamp": at})
    assert await members(api, "buyers") == []
    for device in ("phone", "desk"):
        await api.send("/v1/identify", {"userId": "ada", "anonymousId": device})
    assert await members(api, "buyers") == ["ada"]
    said = {"a": "user_id:ada", "b": "anonymous_id:phone", "reason": "not hers"}
    assert (await api.call("POST", "/identity/unlink", json=said)).status_code == 200
    assert await members(api, "buyers") == []
    await replays(api, running)


async def test_a_day_begins_where_they_live(api: Api) -> None:
    await define(api, "today", "count('Viewed', today) >= 1 and days('Viewed', this year) >= 1")
    zone = "America/New_York"
    call = {"userId": "ada", "event": "Viewed", "context": {"timezone": zone}}
    await api.send("/v1/track", call)
    assert await members(api, "today") == ["ada"]
    ((due,),) = await api.instance.core.database.rows(_DUE)
    there = datetime.now(ZoneInfo(zone))
    midnight = (there + timedelta(1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert due == times.from_datetime(midnight)


async def test_segments_refer_to_segments(api: Api) -> None:
    await define(api, "buyers", "count('Ordered') >= 1")
    await define(api, "fans", "segment.buyers and identifier.user_id starts_with 'a'")
    for who in ("ada", "bob"):
        await did(api, who, "Ordered", 0)
    assert await members(api, "fans") == ["ada"]
    told: Any = await api.get("/profiles/user_id:ada/segments/fans/explain")
    assert told["because"] == [
        "count('Ordered') >= 1",
        "identifier.user_id starts_with 'a'",
    ]
    await define(api, "buyers", "count('Ordered') >= 2")
    assert await members(api, "fans") == []
    gone = await api.call("DELETE", "/segments/buyers")
    assert (gone.status_code, gone.json()["detail"]) == (
        409,
        "buyers is used by segment fans; change or delete them first",
    )
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/x", "segments": ["buyers"]}
    await api.put("/destinations/crm", hook)
    gone = await api.call("DELETE", "/segments/buyers")
    assert "segment fans and destination crm; change" in gone.json()["detail"]
    for where, why in (
        ("segment.fans or trait.a = 1", "cannot refer to itself: buyers → fans → buyers"),
        ("segment.nobody", "there is no segment nobody"),
        ("computed.nothing > 1", "there is no computed trait nothing"),
    ):
        body = {"name": "Buyers", "where": where}
        refused = await api.call("PUT", "/segments/buyers", json=body)
        assert refused.status_code == 400
        assert refused.json()["detail"].endswith(why)
    versions: Any = (await api.get("/segments/buyers/versions"))["versions"]
    assert [(each["version"], each["text"]) for each in versions] == [
        (2, "count('Ordered') >= 2"),
        (1, "count('Ordered') >= 1"),
    ]


async def test_another_segment_counts_only_where_its_purpose_is_allowed(api: Api) -> None:
    buyers = {"name": "Buyers", "purpose": "marketing_email", "where": "count('Ordered') >= 1"}
    await api.put("/segments/buyers", buyers)
    await define(api, "fans", "segment.buyers")
    for who in ("ada", "bob"):
        await did(api, who, "Ordered", 0)
        said = {"purpose": "marketing_email", "state": "granted" if who == "ada" else "denied"}
        await api.put(f"/consent/user_id:{who}", said)
    assert await members(api, "fans") == ["ada"]


async def computed(api: Api, who: str) -> Any:
    await api.settle()
    return (await api.get(f"/profiles/user_id:{who}"))["computed"]


async def test_computed_traits_show_on_profiles_and_in_segments(api: Api, running: Running) -> None:
    for revenue, category in ((20, "tea"), (30.5, "tea"), ("49.5", "cake")):
        await did(api, "ada", "Ordered", 3 * 24 * HOUR, revenue=revenue, category=category)
    worth = {"name": "Lifetime value", "value": "sum(revenue of 'Ordered')"}
    shown = await api.put("/traits/worth", worth)
    assert (shown["state"], shown["value"]) == (
        "building",
        {"event": "Ordered", "sum": {"of": "revenue"}},
    )
    await api.put("/traits/taste", {"name": "T", "value": "most_frequent(category of 'Ordered')"})
    await api.put("/traits/idle", {"name": "Idle days", "value": "since_last('Ordered')"})
    await define(api, "rich", "computed.worth >= 100 and computed.taste = 'tea'")
    assert await computed(api, "ada") == {"idle": 3, "taste": "tea", "worth": 100}
    assert await members(api, "rich") == ["ada"]
    await did(api, "ada", "Ordered", 0, revenue=0.1)
    assert await computed(api, "ada") == {"idle": 0, "taste": "tea", "worth": 100.1}
    refused = await api.call("DELETE", "/traits/worth")
    assert refused.status_code == 409
    assert (await api.call("DELETE", "/traits/idle")).status_code == 204
    assert await computed(api, "ada") == {"taste": "tea", "worth": 100.1}
    await api.put("/consent/user_id:ada", {"purpose": "analytics", "state": "denied"})
    assert await computed(api, "ada") == {}
    assert await members(api, "rich") == []
    await replays(api, running)


async def test_a_computed_trait_changes_as_time_goes(api: Api) -> None:
    await api.put("/traits/recent", {"name": "R", "value": "count('Viewed', 30s)"})
    left = times.now() + 8 * times.SECOND
    at = {"timestamp": times.iso(left - 30 * times.SECOND)}
    await api.send("/v1/track", {"userId": "ada", "event": "Viewed", **at})
    await api.settle()
    recent = 1
    while recent:
        before = times.now()
        profile: Any = await api.get("/profiles/user_id:ada")
        recent = profile["computed"]["recent"]
        assert recent == 1 or times.now() >= left
        assert recent == 0 or before < left


async def test_a_preview_tells_size_overlap_and_growth_and_saves_nothing(api: Api) -> None:
    await define(api, "viewers", "count('Viewed') >= 1")
    await define(api, "old", "segment.viewers and trait.a = 1")
    for number in range(6):
        await did(api, f"u{number}", "Ordered", (3 * number + 1) * 24 * HOUR, revenue=10)
        if number < 2:
            await did(api, f"u{number}", "Viewed", 0)
    await api.settle()
    line = "sum(revenue of 'Ordered', 60d) >= 10 and not segment.old"
    answer = await api.call("POST", "/segments/preview", json={"where": line})
    told: Any = answer.json()
    assert (told["text"], told["people"], told["looked_at"]) == (line, 6, 6)
    assert told["size"] == {"about": 6, "low": 6, "high": 6}
    viewers = {"segment": "viewers", "size": {"about": 2, "low": 2, "high": 2}, "share": 0.3333}
    assert told["overlap"] == [viewers]
    sizes = [each["size"]["about"] for each in told["growth"]]
    assert sizes == [0, 0, 0, 0, 0, 1, 4, 6]  # 16 days ago the first, then every third day
    await define(api, "really", line)
    await api.settle()
    assert (await api.get("/segments/really"))["size"] == 6
    await api.put("/consent/user_id:u0", {"purpose": "analytics", "state": "denied"})
    await api.settle()
    answer = await api.call("POST", "/segments/preview", json={"where": line})
    assert answer.json()["size"]["about"] == 5
    refused = await api.call("POST", "/segments/preview", json={"where": "segment.nobody"})
    assert refused.status_code == 400
