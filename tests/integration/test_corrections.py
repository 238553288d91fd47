"""What an event recorded in error amounted to is gone wherever it was counted; the log has both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cdp import main, times
from cdp.replay import until_quiet
from tests.conftest import Api
from tests.integration.test_deliveries import decide
from tests.integration.test_parquet import asked, export
from tests.support.privacy import done
from tests.support.receiver import Receiver, receiving

BIG = {"event": "order", "where": [{"property": "revenue", "gt": 50}]}
MONTH = 30 * 86_400 * times.SECOND


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def ordered(api: Api, revenue: float, who: str = "ada", **more: Any) -> str:
    """Its id, as the timeline has it."""
    call = {"userId": who, "event": "order", "properties": {"revenue": revenue}, **more}
    assert (await api.send("/v1/track", call)).is_success
    await api.settle()
    entries = await timeline(api, who)
    (found,) = [each["id"] for each in entries if each["properties"].get("revenue") == revenue]
    return str(found)


async def timeline(api: Api, who: str = "ada", query: str = "") -> list[Any]:
    found: Any = await api.get(f"/profiles/user_id:{who}/timeline?{query}")
    return list(found["timeline"])


async def correct(api: Api, event: str, **instead: Any) -> Any:
    body: dict[str, Any] = {"event": event, "reason": "typed wrong"}
    if instead:
        body["instead"] = instead
    answer = await api.call("POST", "/corrections", json=body)
    assert answer.is_success, answer.text
    await api.settle()
    return answer.json()


async def refused(api: Api, code: int, **body: Any) -> str:
    answer = await api.call("POST", "/corrections", json={"reason": "r", **body})
    assert answer.status_code == code, answer.text
    return str(answer.json()["detail"])


async def seen(api: Api, who: str = "ada") -> dict[str, Any]:
    return dict(await api.get(f"/profiles/user_id:{who}"))


async def test_what_was_counted_is_counted_no_more(api: Api, running: Any) -> None:
    await api.put("/segments/big", {"name": "Big", "where": BIG})
    await api.put("/traits/worth", {"name": "Worth", "value": "sum(revenue of 'order')"})
    await ordered(api, 20, timestamp=times.iso(times.now() - MONTH))
    wrong = await ordered(api, 5000)
    told = await seen(api)
    assert (told["segments"], told["computed"]) == (["big"], {"worth": 5020})
    said = await correct(api, wrong, properties={"revenue": 50})
    assert (said["corrects"], said["at"]) == (wrong, (await timeline(api))[0]["at"])
    told = await seen(api)
    assert (told["segments"], told["computed"]) == ([], {"worth": 70})
    assert told["events"] == {"order": 2}
    await correct(api, said["correction"])  # nothing was ordered after all
    told = await seen(api)
    assert (told["events"], told["computed"]) == ({"order": 1}, {"worth": 20})
    assert told["last_seen"] == told["first_seen"]
    changes: Any = await api.get("/segments/big/changes")
    assert [each["cause"] for each in changes["changes"]] == [wrong, "correction"]
    async with main.replaying(api.instance.settings, running) as replay:
        comparisons = await until_quiet(replay)
    assert all(each.equal for each in comparisons), comparisons


async def test_somebody_of_whom_all_was_wrong_was_never_there(api: Api, running: Any) -> None:
    await api.put("/segments/big", {"name": "Big", "where": BIG})
    await correct(api, await ordered(api, 99))
    assert (await api.call("GET", "/profiles/user_id:ada")).status_code == 404
    members: Any = await api.get("/segments/big/members")
    assert members["members"] == []
    async with main.replaying(api.instance.settings, running) as replay:
        comparisons = await until_quiet(replay)
    assert all(each.equal for each in comparisons), comparisons
    await ordered(api, 98)
    assert (await seen(api))["events"] == {"order": 1}


async def test_traits_are_what_they_were_before_and_links_hold(api: Api) -> None:
    await api.send("/v1/identify", {"userId": "ada", "traits": {"plan": "free", "vip": True}})
    traits = {"plan": "pro", "email": "ada@example.com"}
    await api.send("/v1/identify", {"userId": "ada", "anonymousId": "d1", "traits": traits})
    await api.settle()
    wrong = (await timeline(api))[0]
    assert wrong["traits"] == traits
    await correct(api, wrong["id"], traits={"plan": "team"})
    told: Any = await api.get("/profiles/email:ada@example.com")
    assert told["traits"] == {"plan": "team", "vip": True}
    assert told["identifiers"]["anonymous_id"] == ["d1"]


async def test_the_timeline_shows_both_and_explanations_what_holds(api: Api) -> None:
    await api.put("/segments/big", {"name": "Big", "where": BIG})
    wrong, right = await ordered(api, 5000), await ordered(api, 60)
    before = times.iso(times.now())
    said = await correct(api, wrong, properties={"revenue": 55})
    shown = {each["id"]: each for each in await timeline(api, query="event=order")}
    assert shown.keys() == {wrong, right, said["correction"]}
    assert shown[wrong]["corrected"] is True and shown[wrong]["properties"] == {"revenue": 5000}
    mark = shown[said["correction"]]
    assert (mark["corrects"], mark["reason"], mark["type"]) == (wrong, "typed wrong", "track")
    assert not {"corrected", "corrects"} & shown[right].keys()
    why: Any = await api.get("/profiles/user_id:ada/segments/big/explain")
    assert {each["id"] for each in why["tree"]["events"]} == {right, said["correction"]}
    then: Any = await api.get(f"/profiles/user_id:ada?as_of={before}")
    now: Any = await api.get(f"/profiles/user_id:ada?as_of={times.iso(times.now())}")
    assert (then["events"], now["events"]) == ({"order": 2}, {"order": 2})
    again = await correct(api, right)
    entry = (await timeline(api, query="event=retract"))[0]
    assert (entry["corrects"], entry["id"]) == (right, again["correction"])
    then = await api.get(f"/profiles/user_id:ada?as_of={before}")
    now = await api.get(f"/profiles/user_id:ada?as_of={times.iso(times.now())}")
    assert (then["events"], now["events"]) == ({"order": 2}, {"order": 1})
    preview = {"where": {"event": "order", "where": [{"property": "revenue", "gt": 1000}]}}
    found = (await api.call("POST", "/segments/preview", json=preview)).json()
    assert found["size"]["about"] == 0


async def test_said_twice_it_is_one_and_said_otherwise_it_is_refused(api: Api) -> None:
    wrong = await ordered(api, 5000)
    first = await correct(api, wrong, properties={"revenue": 50})
    assert await correct(api, wrong, properties={"revenue": 50}) == first
    assert len(await timeline(api)) == 2
    other = await refused(api, 409, event=wrong)
    assert first["correction"] in other
    assert (await seen(api))["events"] == {"order": 1}


async def test_what_cannot_be_corrected_is_refused_with_the_way_to_do_it(api: Api) -> None:
    assert "none with this id" in await refused(api, 404, event="0" * 32)
    assert "32 hex digits" in await refused(api, 400, event="m1")
    wrong = await ordered(api, 1)
    told = await refused(api, 400, event=wrong, instead={"traits": {"a": 1}})
    assert told.startswith("instead.traits: track events have none")
    decided = await decide(api, "ada", "granted")
    assert "consent" in await refused(api, 409, event=decided["fact"])
    word = {"a": "user_id:ada", "b": "anonymous_id:d1", "reason": "hers"}
    linked = (await api.call("POST", "/identity/link", json=word)).json()
    assert "/identity/unlink" in await refused(api, 409, event=linked["fact"])
    said = await correct(api, wrong)
    assert "send it again" in await refused(api, 409, event=said["correction"])


async def test_a_destination_chooses_whether_to_hear_of_corrections(
    api: Api, hook: Receiver
) -> None:
    segment = {"name": "Big", "purpose": "marketing_email", "where": BIG}
    await api.put("/segments/big", segment)
    await api.settle()
    await decide(api, "ada", "granted")
    base = {"kind": "webhook", "url": hook.url, "segments": ["big"]}
    await api.put("/destinations/told", base)
    await api.put("/destinations/not", base | {"corrections": False})
    assert (await api.get("/destinations/not"))["corrections"] is False
    wrong = await ordered(api, 5000)
    await correct(api, wrong)
    listed: Any = await api.get("/deliveries")
    made = [(e["destination"], e["change"], e["cause"]) for e in listed["deliveries"]]
    assert sorted(made) == [
        ("not", "entered", wrong),
        ("told", "entered", wrong),
        ("told", "left", "correction"),
    ]
    left = [each.json for each in hook.requests if each.json["type"] == "segment.left"]
    assert [each["data"]["cause"] for each in left] == ["correction"]


async def test_a_definition_that_is_built_meanwhile_counts_what_holds(api: Api) -> None:
    wrong = await ordered(api, 5000)
    await ordered(api, 60)
    later = await ordered(api, 5001)
    await correct(api, wrong)
    await api.call(
        "PUT", "/segments/big", json={"name": "Big", "where": {**BIG, "count": {"gte": 2}}}
    )
    body = {"event": later, "reason": "r"}
    assert (await api.call("POST", "/corrections", json=body)).is_success
    await api.settle()
    assert (await api.get("/segments/big"))["size"] == 0
    await ordered(api, 61)
    assert (await api.get("/segments/big"))["size"] == 1


async def test_an_export_has_both_and_tells_which_holds(api: Api, tmp_path: Path) -> None:
    wrong = await ordered(api, 5000)
    await export(api, tmp_path)
    await correct(api, wrong, properties={"revenue": 50})
    await export(api, tmp_path)
    revenue = "cast(properties->>'revenue' as int)"
    holds = "event_id not in (select corrects from {events} where corrects is not null)"
    assert asked(tmp_path, f"select {revenue} from {{events}} where {holds}") == [(50,)]
    assert asked(tmp_path, "select count(*) from {events}") == [(2,)]


async def test_who_was_never_there_is_still_taken_off_the_lists_they_are_on(
    api: Api, hook: Receiver
) -> None:
    await api.put("/segments/big", {"name": "Big", "where": BIG})
    await api.put("/destinations/crm", {"kind": "webhook", "url": hook.url})
    await api.settle()
    await correct(api, await ordered(api, 5000))
    entered, left = [each.json["data"] for each in hook.requests]
    assert (left["profile_id"], left["cause"]) == (entered["profile_id"], "correction")
    assert left["identifiers"] == {}


async def test_what_was_erased_can_be_corrected_no_more(api: Api) -> None:
    wrong = await ordered(api, 5000)
    said = await correct(api, wrong, properties={"revenue": 50})
    await done(api, "erase", "user_id:ada")
    for event in (wrong, said["correction"]):
        assert "erased" in await refused(api, 404, event=event)
    await ordered(api, 7)
    assert (await seen(api))["events"] == {"order": 1}
