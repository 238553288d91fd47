"""What the log says of an earlier time is what the platform said at that time."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cdp import times
from tests.conftest import Api
from tests.support.instances import api_on, instance_on
from tests.support.stores import Stores

HOUR = 3600 * times.SECOND
DAY = 24 * HOUR
REFS = ["user_id:u0", "user_id:u1", "anonymous_id:a0", "anonymous_id:a1", "anonymous_id:a2"]
SEGMENTS = {
    "buyers": ("analytics", {"event": "order", "count": {"gte": 2}, "within": "30d"}),
    "big": ("analytics", {"event": "order", "where": [{"property": "revenue", "gt": 50}]}),
    "mail": ("marketing_email", {"event": "order"}),
    "de": ("analytics", {"all": [{"trait": "country", "eq": "DE"}, {"event": "order"}]}),
}


async def now(api: Api) -> str:
    """A moment after all that was sent and before all that will be."""
    await api.settle()
    return times.iso(times.now())


async def defined(api: Api) -> None:
    for key, (purpose, where) in SEGMENTS.items():
        await api.put(f"/segments/{key}", {"name": key, "purpose": purpose, "where": where})
    await api.settle()


def ids(*refs: str) -> dict[str, str]:
    names = {"user_id": "userId", "anonymous_id": "anonymousId"}
    return {names[ref.split(":")[0]]: ref.split(":")[1] for ref in refs}


async def order(api: Api, ref: str, revenue: int = 99, ago: int = 0, **more: Any) -> None:
    call = {**ids(ref), "event": "order", "properties": {"revenue": revenue}, **more}
    call["timestamp"] = times.iso(times.now() - ago)
    assert (await api.send("/v1/track", call)).is_success


class Snapshot(NamedTuple):
    """What the platform says at a moment."""

    at: str
    people: dict[str, Any]
    members: dict[str, set[str]]
    sizes: dict[str, int]


async def say(api: Api) -> Snapshot:
    """By what is live."""
    at = await now(api)
    people = {}
    for ref in REFS:
        answer = await api.call("GET", f"/profiles/{ref}")
        if answer.status_code == 200:
            people[ref] = {k: v for k, v in answer.json().items() if k != "profile_id"}
    members, sizes = {}, {}
    for key in SEGMENTS:
        page: Any = await api.get(f"/segments/{key}/members?include=none")
        members[key] = {(each["profile_id"], each["since"]) for each in page["members"]}
        sizes[key] = (await api.get(f"/segments/{key}"))["size"]  # type: ignore[assignment]
    return Snapshot(at, people, members, sizes)  # type: ignore[arg-type]


async def recall(api: Api, at: str) -> Snapshot:
    """The same from log and ledger."""
    people = {}
    for ref in REFS:
        answer = await api.call("GET", f"/profiles/{ref}?as_of={at}")
        if answer.status_code == 200:
            told = answer.json()
            assert told.pop("as_of") == at
            assert sorted(told["decided"]) == told["segments"], (ref, told)
            told.pop("decided")
            people[ref] = {k: v for k, v in told.items() if k != "profile_id"}
    members, sizes = {}, {}
    for key in SEGMENTS:
        page: Any = await api.get(f"/segments/{key}/members?as_of={at}")
        members[key] = {(each["profile_id"], each["since"]) for each in page["members"]}
        sizes[key] = (await api.get(f"/segments/{key}/size?as_of={at}"))["size"]  # type: ignore[assignment]
    return Snapshot(at, people, members, sizes)  # type: ignore[arg-type]


async def happen(api: Api, dice: random.Random) -> None:
    """One thing, of those that move people."""
    one, other = dice.sample(REFS, 2)
    kind = dice.choice(
        ["order", "order", "order", "late", "identify", "word", "consent", "stamp", "word"]
    )
    match kind:
        case "order":
            await order(api, one, dice.choice([9, 99]))
        case "late":
            await order(api, one, 99, dice.choice([HOUR, 40 * DAY]))
        case "stamp":
            stamp = {"consent": {"categoryPreferences": {"analytics": dice.random() < 0.5}}}
            await order(api, one, 99, context=stamp)
        case "identify":
            who = ids(f"user_id:u{dice.randrange(2)}", f"anonymous_id:a{dice.randrange(3)}")
            call = {**who, "traits": {"country": dice.choice(["DE", "AT", None])}}
            assert (await api.send("/v1/identify", call)).is_success
        case "word":
            said = {"a": one, "b": other, "reason": "said"}
            path = dice.choice(["link", "unlink", "unlink"])
            assert (await api.call("POST", f"/identity/{path}", json=said)).is_success
        case "consent":
            state = dice.choice(["granted", "granted", "denied"])
            await api.put(f"/consent/{one}", {"purpose": "marketing_email", "state": state})


@pytest.mark.parametrize("seed", [0, 105])
async def test_as_of_a_time_is_what_was_live_then(
    stores: Stores, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    async with instance_on(stores.fresh(), tmp_path) as instance, api_on(instance) as api:
        await defined(api)
        snapshots = [await say(api)]
        for _ in range(14):
            await happen(api, dice)
            snapshots.append(await say(api))
        for snapshot in snapshots:
            assert await recall(api, snapshot.at) == snapshot


async def test_the_clock_is_that_of_receipt_and_whoever_was_not_seen_is_told_so(api: Api) -> None:
    before = await now(api)
    await order(api, "user_id:ada", ago=30 * DAY)
    after = await now(api)
    answer = await api.call("GET", f"/profiles/user_id:ada?as_of={before}")
    assert (answer.status_code, "by" in answer.json()["detail"]) == (404, True)
    told: Any = await api.get(f"/profiles/user_id:ada?as_of={after}")
    assert told["events"] == {"order": 1}
    for query in (f"as_of={after}&min_confidence=0.9", "as_of=2999-01-01T00:00:00Z", "as_of=x"):
        assert (await api.call("GET", f"/profiles/user_id:ada?{query}")).status_code == 400


async def test_who_moved_on_by_an_operators_word_was_seen_in_somebody_elses_event(api: Api) -> None:
    await order(api, "user_id:u1")
    await api.send("/v1/identify", {"userId": "u0", "anonymousId": "a1"})
    await api.settle()
    word = {"a": "user_id:u1", "b": "anonymous_id:a1", "reason": "hers"}
    assert (await api.call("POST", "/identity/link", json=word)).is_success
    at = await now(api)
    live: Any = await api.get("/profiles/anonymous_id:a1")
    told: Any = await api.get(f"/profiles/anonymous_id:a1?as_of={at}")
    assert live["events"] == {"order": 1}
    assert {name: told[name] for name in live} == live
    later = {"anonymousId": "a9", "timestamp": times.iso(times.now() - HOUR)}
    said = {"a": "user_id:u1", "b": "anonymous_id:a9", "reason": "hers too"}
    assert (await api.call("POST", "/identity/link", json=said)).is_success
    between = await now(api)
    assert (await api.send("/v1/page", later)).is_success  # happened before, came in after
    await api.settle()
    answer = await api.call("GET", f"/profiles/anonymous_id:a9?as_of={between}")
    assert answer.status_code == 404


async def test_a_difference_has_all_that_changed(api: Api) -> None:
    await defined(api)
    await api.send("/v1/identify", {"userId": "ada", "traits": {"a": 1, "b": True, "c": "x"}})
    await order(api, "user_id:ada")
    before = await now(api)
    traits = {"a": None, "b": 1, "d": 2}
    await api.send("/v1/identify", {"userId": "ada", "anonymousId": "d1", "traits": traits})
    await order(api, "user_id:ada", 9)
    await api.put("/consent/user_id:ada", {"purpose": "marketing_email", "state": "granted"})
    after = await now(api)
    told: Any = await api.get(f"/profiles/anonymous_id:d1/diff?from={before}&to={after}")
    assert told["profile_id"]["from"] is None
    told = await api.get(f"/profiles/user_id:ada/diff?from={before}&to={after}")
    assert (told["from"], told["to"]) == (before, after)
    assert told["traits"] == {
        "set": {"d": 2},
        "changed": {"b": {"from": True, "to": 1}},
        "gone": {"a": 1},
    }
    assert told["identifiers"] == {"added": {"anonymous_id": ["d1"]}, "removed": {}}
    moves = {"entered": ["buyers", "mail"], "left": []}
    assert (told["segments"], told["decided"]) == (moves, moves)
    assert told["consent"] == {"marketing_email": {"from": "denied", "to": "granted"}}
    assert told["events"] == {"order": {"from": 1, "to": 2}}
    for query in ("", f"from={after}&to={before}"):
        assert (await api.call("GET", f"/profiles/user_id:ada/diff?{query}")).status_code == 400
    assert (await api.call("GET", f"/profiles/user_id:no/diff?from={before}")).status_code == 404


async def test_sizes_go_with_entries_exits_and_merges(api: Api) -> None:
    await api.put("/segments/seen", {"name": "Seen", "where": {"event": "page"}})
    moments = [await now(api)]
    for device in ("d1", "d2", "d3"):
        await api.send("/v1/page", {"anonymousId": device})
        moments.append(await now(api))
    for device in ("d1", "d2"):  # three members become two, and then one, without a word
        await api.send("/v1/identify", {"userId": "ada", "anonymousId": device})
        moments.append(await now(api))
    denied = {"purpose": "analytics", "state": "denied"}
    await api.put("/consent/user_id:ada", denied)
    moments.append(await now(api))
    sizes = [await api.get(f"/segments/seen/size?as_of={at}") for at in moments]
    assert [each["size"] for each in sizes] == [0, 1, 2, 3, 3, 2, 1]
    assert (await api.get("/segments/seen/size"))["size"] == 1
    history: Any = await api.get(f"/segments/seen/sizes?from={moments[0]}&every=1h")
    assert [each["size"] for each in history["sizes"]] == [0, 1]
    early = await api.call("GET", "/segments/seen/size?as_of=2020-01-01T00:00:00Z")
    assert early.status_code == 404
    for query in ("every=2d", "from=1971-01-01T00:00:00Z", f"to={moments[0]}&from={moments[1]}"):
        assert (await api.call("GET", f"/segments/seen/sizes?{query}")).status_code == 400
    await api.call("DELETE", "/segments/seen")
    await api.put("/segments/seen", {"name": "Seen", "where": {"event": "never"}})
    assert (await api.get(f"/segments/seen/size?as_of={await now(api)}"))["size"] == 0
