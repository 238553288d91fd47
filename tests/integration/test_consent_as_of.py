"""What the log says of an earlier time is what the platform said at that time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp import times
from cdp.evidence import contactable
from tests.conftest import Api
from tests.support.instances import api_on, instance_on
from tests.support.stores import Stores

PURPOSE = "marketing_email"
REFS = ["user_id:u0", "user_id:u1", "anonymous_id:a0", "anonymous_id:a1"]
HOUR = 3600 * times.SECOND


async def decide(api: Api, ref: str, state: str, **more: Any) -> None:
    await api.put(f"/consent/{ref}", {"purpose": PURPOSE, "state": state} | more)
    await api.settle()


async def now(api: Api) -> str:
    """A moment after all that was sent and before all that will be."""
    await api.settle()
    return times.iso(times.now())


async def contacts(api: Api, at: str = "", **query: str) -> list[Any]:
    answer = await api.call(
        "GET",
        f"/consent/purposes/{PURPOSE}/people",
        params=({"at": at} if at else {}) | {"limit": "1000"} | query,
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json()["people"])


async def test_a_later_decision_changes_nothing_of_what_was_known_before(api: Api) -> None:
    await api.send("/v1/page", {"userId": "ada"})
    before = await now(api)
    await decide(api, "user_id:ada", "granted", notice="v1", jurisdiction="DE")
    between = await now(api)
    long_ago = times.iso(times.now() - HOUR)
    await decide(api, "user_id:ada", "denied", at=long_ago)  # said before, and told us later
    await decide(api, "user_id:ada", "denied")
    told = [await api.get(f"/consent/user_id:ada?at={at}") for at in (before, between)]
    assert [each["as_of"] for each in told] == [before, between]
    assert [each["state"][PURPOSE] for each in told] == ["denied", "granted"]  # type: ignore[index]
    assert [len(each["history"]) for each in told] == [0, 1]  # type: ignore[arg-type]
    assert told[1]["decisions"][PURPOSE]["state"] == "granted"  # type: ignore[index]
    latest: Any = await api.get("/consent/user_id:ada")
    assert (latest["state"][PURPOSE], len(latest["history"])) == ("denied", 3)
    assert await contacts(api, before) == await contacts(api) == []
    (one,) = await contacts(api, between)
    assert one["identifiers"] == {"user_id": ["ada"]}
    assert one["decision"]["state"] == "granted"


async def test_a_person_is_who_they_were_then(api: Api) -> None:
    await decide(api, "anonymous_id:d1", "granted")
    await decide(api, "user_id:ada", "denied")
    apart = await now(api)
    await api.send("/v1/identify", {"userId": "ada", "anonymousId": "d1"})
    joined = await now(api)
    word = {"a": "user_id:ada", "b": "anonymous_id:d1", "reason": "a shop's device"}
    assert (await api.call("POST", "/identity/unlink", json=word)).is_success
    parted = await now(api)
    states = {
        at: [
            (await api.get(f"/consent/{ref}?at={at}"))["state"][PURPOSE]  # type: ignore[index]
            for ref in ("anonymous_id:d1", "user_id:ada")
        ]
        for at in (apart, joined, parted)
    }
    assert list(states.values()) == [
        ["granted", "denied"],
        ["denied", "denied"],
        ["granted", "denied"],
    ]
    assert [each["identifiers"] for each in await contacts(api, apart)] == [
        {"anonymous_id": ["d1"]}
    ]
    assert await contacts(api, joined) == []
    assert len(await contacts(api, parted)) == 1


async def test_a_word_on_somebody_not_seen_yet_joins_nobody(api: Api) -> None:
    await api.send("/v1/identify", {"userId": "u0", "anonymousId": "a0"})
    await decide(api, "user_id:u0", "granted")
    word = {"a": "user_id:u1", "b": "anonymous_id:a0", "reason": "her device"}
    assert (await api.call("POST", "/identity/link", json=word)).is_success
    before = await now(api)
    await api.send("/v1/page", {"userId": "u1"})
    await api.settle()
    told: Any = await api.get(f"/consent/anonymous_id:a0?at={before}")
    assert told["state"][PURPOSE] == "granted"
    assert (await api.get("/consent/anonymous_id:a0"))["state"][PURPOSE] == "denied"  # type: ignore[index]


async def test_who_had_not_been_seen_is_told_as_such(api: Api) -> None:
    before = await now(api)
    await decide(api, "user_id:ada", "granted")
    answer = await api.call("GET", f"/consent/user_id:ada?at={before}")
    assert (answer.status_code, "by" in answer.json()["detail"]) == (404, True)
    assert (await api.call("GET", f"/consent/user_id:bob?at={before}")).status_code == 404


@pytest.mark.parametrize(
    ("at", "fix"),
    [
        ("yesterday", "ISO 8601"),
        ("2999-01-01T00:00:00Z", "future"),
        ("", "ISO 8601"),
    ],
)
async def test_a_time_that_is_none_is_refused_with_the_reason(api: Api, at: str, fix: str) -> None:
    for path in ("/consent/user_id:ada", f"/consent/purposes/{PURPOSE}/people"):
        answer = await api.call("GET", path, params={"at": at})
        assert (answer.status_code, answer.json()["field"]) == (400, "at")
        assert fix in answer.json()["detail"]


async def test_pages_and_lines_have_everybody_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contactable, "BATCH", 3)
    for number in range(10):
        ref = f"user_id:u{number}"
        body = {"purpose": PURPOSE, "state": "granted" if number % 2 else "denied"}
        await api.put(f"/consent/{ref}", body)
    await api.settle()
    path = f"/consent/purposes/{PURPOSE}/people?limit=2&include=none"
    pages: list[list[Any]] = []
    cursor: Any = ""
    while cursor is not None:
        page: Any = await api.get(f"{path}&cursor={cursor}")
        pages.append(page["people"])
        cursor = page["next"]
    assert max(map(len, pages)) == 2
    ids = [each["profile_id"] for page in pages for each in page]
    assert len(ids) == len(set(ids)) == 5
    key = {"authorization": f"Bearer {api.instance.keys['api_key']}"}
    whole = await api.client.get(
        f"/api/v1/consent/purposes/{PURPOSE}/people",
        headers={"accept": "application/x-ndjson"} | key,
    )
    lines = [json.loads(line) for line in whole.text.splitlines()]
    assert [each["profile_id"] for each in lines] == ids
    assert {each["identifiers"]["user_id"][0] for each in lines} == {
        f"u{n}" for n in range(1, 10, 2)
    }


async def test_an_unknown_purpose_has_nobody(api: Api) -> None:
    answer = await api.call("GET", "/consent/purposes/nothing/people")
    assert answer.status_code == 404


class Step(NamedTuple):
    """Something that happens: a word on consent, or on who is who."""

    kind: str
    one: str
    other: str
    state: str
    hours_ago: int


step = st.builds(
    Step,
    st.sampled_from(["decide", "decide", "identify", "link", "unlink"]),
    st.sampled_from(REFS),
    st.sampled_from(REFS),
    st.sampled_from(["granted", "denied"]),
    st.sampled_from([0, 0, 1, 2]),
)


async def happen(api: Api, each: Step) -> None:
    if each.kind == "decide":
        # Whoever is first heard of by a word of long ago counts as seen since then.
        seen = (await api.call("GET", f"/consent/{each.one}")).status_code == 200
        at = times.iso(times.now() - seen * each.hours_ago * HOUR)
        await decide(api, each.one, each.state, at=at)
    elif each.kind == "identify":
        who = {"userId": each.one[-2:].replace("a", "u"), "anonymousId": each.other[-2:]}
        await api.send("/v1/identify", who)
    elif each.one != each.other:
        word = {"a": each.one, "b": each.other, "reason": "said"}
        answer = await api.call("POST", f"/identity/{each.kind}", json=word)
        assert answer.is_success, answer.text


class Snapshot(NamedTuple):
    """What the platform says at a moment."""

    at: str
    people: dict[str, Any]  # state and decisions, by reference
    granted: list[Any]


async def say(api: Api, at: str) -> Snapshot:
    """By what is live, and who is granted by that."""
    people: dict[str, Any] = {}
    granted = {}
    for ref in REFS:
        answer = await api.call("GET", f"/consent/{ref}")
        if answer.status_code == 404:
            continue
        told = answer.json()
        people[ref] = {"state": told["state"], "decisions": told["decisions"]}
        if told["state"][PURPOSE] == "granted":
            profile = (await api.get(f"/profiles/{ref}"))["identifiers"]
            granted[told["profile_id"]] = profile
    return Snapshot(at, people, named_only(granted.values()))


def named_only(identifiers: Any) -> list[Any]:
    """Each person's identifiers, in an order that does not depend on ids."""
    told = [{name: sorted(values) for name, values in each.items()} for each in identifiers]
    return sorted(told, key=json.dumps)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(step, min_size=2, max_size=7))
async def test_the_answer_as_of_a_time_is_the_one_that_was_live_then(
    stores: Stores, tmp_path: Path, steps: list[Step]
) -> None:
    async with instance_on(stores.fresh(), tmp_path) as instance, api_on(instance) as api:
        snapshots = []
        for each in steps:
            await happen(api, each)
            snapshots.append(await say(api, await now(api)))
        for snapshot in snapshots:
            people = {}
            for ref in snapshot.people:
                told = await api.get(f"/consent/{ref}?at={snapshot.at}")
                people[ref] = {"state": told["state"], "decisions": told["decisions"]}
            assert people == snapshot.people
            found = [each["identifiers"] for each in await contacts(api, snapshot.at)]
            assert named_only(found) == snapshot.granted
        live = [each["identifiers"] for each in await contacts(api)]
        assert named_only(live) == snapshots[-1].granted
