"""What the log says of an earlier time is what the platform said at that time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp import main, times
from cdp.replay import until_quiet
from tests.conftest import Api
from tests.support.instances import api_on, instance_on
from tests.support.stores import Stores

# Histories, the same ones each time; with the setting so many others, to look for what is wrong.
EXAMPLES = int(os.environ.get("CDP_TEST_HISTORIES", "5"))
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


@dataclass(frozen=True)
class Deed:
    """One thing, of those that move people; `which` chooses among what it may be done with."""

    kind: str
    one: str
    other: str
    which: int

    async def do(self, api: Api) -> None:
        stated = self.which % 2 == 0
        match self.kind:
            case "order":
                await order(api, self.one, 99 if stated else 9)
            case "late":
                await order(api, self.one, 99, HOUR if stated else 40 * DAY)
            case "stamp":
                stamp = {"consent": {"categoryPreferences": {"analytics": stated}}}
                await order(api, self.one, 99, context=stamp)
            case "identify":
                who = ids(f"user_id:u{self.which % 2}", f"anonymous_id:a{self.which % 3}")
                call = {**who, "traits": {"country": ["DE", "AT", None][self.which % 4 % 3]}}
                assert (await api.send("/v1/identify", call)).is_success
            case "link" | "unlink":
                said = {"a": self.one, "b": self.other, "reason": "said"}
                answer = await api.call("POST", f"/identity/{self.kind}", json=said)
                assert answer.is_success
            case "consent":
                wanted = {"purpose": "marketing_email", "state": "granted" if stated else "denied"}
                await api.put(f"/consent/{self.one}", wanted)
            case "correct" | "retract":
                await self.correct(api)

    async def correct(self, api: Api) -> None:
        """One of the orders that they have by now, if it was not corrected before."""
        answer = await api.call("GET", f"/profiles/{self.one}/timeline?event=order")
        found = answer.json().get("timeline", ())
        left = [each["id"] for each in found if "corrected" not in each]
        if left:
            body: dict[str, Any] = {"event": left[self.which % len(left)], "reason": "wrong"}
            if self.kind == "correct":
                body["instead"] = {"properties": {"revenue": [5, 77][self.which % 2]}}
            answer = await api.call("POST", "/corrections", json=body)
            refused = answer.status_code == 409 and "do not allow" in answer.text
            assert answer.is_success or refused, answer.text


KINDS = ["order", "late", "identify", "link", "unlink", "consent", "stamp", "correct", "retract"]
deeds = st.permutations(REFS).flatmap(
    lambda refs: st.builds(
        Deed, st.sampled_from(KINDS), st.just(refs[0]), st.just(refs[1]), st.integers(0, 11)
    )
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="CDP_TEST_HISTORIES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(deeds, min_size=8, max_size=16))
async def test_as_of_a_time_is_what_was_live_then(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, history: list[Deed]
) -> None:
    running, directory = stores.fresh(), tmp_path_factory.mktemp("past")
    async with instance_on(running, directory) as instance, api_on(instance) as api:
        await defined(api)
        snapshots = [await say(api)]
        for deed in history:
            await deed.do(api)
            snapshots.append(await say(api))
        for snapshot in snapshots:
            assert await recall(api, snapshot.at) == snapshot
        async with main.replaying(instance.settings, running) as replay:
            assert all(each.equal for each in await until_quiet(replay))


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


async def test_who_splits_off_is_counted_until_and_unless_they_keep_it(api: Api) -> None:
    regulars = {"event": "page", "count": {"gte": 2}}
    await api.put("/segments/seen", {"name": "Seen", "where": {"event": "page"}})
    await api.put("/segments/regulars", {"name": "Regulars", "where": regulars})
    moments = [await now(api)]
    joined = {"a": "user_id:ada", "b": "anonymous_id:d1", "reason": "hers"}
    for step in ("user_id:ada", "anonymous_id:d1", "link", "unlink", "link", "unlink"):
        if ":" in step:
            assert (await api.send("/v1/page", ids(step))).is_success
        else:
            assert (await api.call("POST", f"/identity/{step}", json=joined)).is_success
        moments.append(await now(api))
    sizes: dict[str, list[int]] = {"seen": [], "regulars": []}
    for at in moments:
        for key, found in sizes.items():
            found.append((await api.get(f"/segments/{key}/size?as_of={at}"))["size"])  # type: ignore[arg-type]
    assert sizes == {"seen": [0, 1, 2, 1, 2, 1, 2], "regulars": [0, 0, 0, 1, 0, 1, 0]}
    decided = []
    for ref in ("user_id:ada", "anonymous_id:d1"):
        told: list[Any] = [await api.get(f"/profiles/{ref}?as_of={at}") for at in moments[2:]]
        decided.append([sorted(each["decided"]) for each in told])
    alone, both = ["seen"], ["regulars", "seen"]
    assert decided == [[alone, both, alone, both, alone]] * 2
    since: list[Any] = [await api.get(f"/profiles/user_id:ada?as_of={at}") for at in moments[2:]]
    assert len({each["decided"]["seen"] for each in since}) == 1
    told_of: Any = await api.get("/segments/seen/changes")  # by deeds alone
    assert [each["change"] for each in told_of["changes"]] == ["entered", "entered"]
