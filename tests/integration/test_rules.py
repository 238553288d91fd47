"""New identity rules: tried without touching anything, and brought in beside the live agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cdp import main
from cdp.instance import Running
from cdp.replay import until_quiet
from tests.support.instances import Api

BLOCK_INFO = {"namespaces": {"email": {"blocked": ["info@*"]}}}


async def shop(api: Api) -> None:
    """Two laptops that gave the same address, and a person with two."""
    key = {"name": "buyers", "where": {"event": "Order Completed"}}
    await api.put("/segments/buyers", key)
    batch = [
        {"type": "track", "anonymousId": "l1", "event": "Order Completed"},
        {"type": "track", "anonymousId": "l2", "event": "Order Completed"},
        *(
            {"type": "identify", "anonymousId": each, "traits": {"email": "info@shop.example"}}
            for each in ("l1", "l2")
        ),
        {"type": "identify", "userId": "ada", "traits": {"email": "ada@shop.example"}},
    ]
    assert (await api.send("/v1/batch", {"batch": batch})).is_success
    await api.settle()


async def ids(api: Api, refs: Sequence[str]) -> list[str]:
    return [str((await api.get(f"/profiles/{ref}"))["profile_id"]) for ref in refs]


LAPTOPS = ("anonymous_id:l1", "anonymous_id:l2")


async def trial(api: Api, rules: dict[str, Any]) -> dict[str, Any]:
    asked = await api.call("POST", "/identity/rules/dry-run", json=rules)
    assert asked.status_code == 200, asked.text
    await api.settle()
    found: dict[str, Any] = await api.get(f"/identity/rules/dry-run/{asked.json()['id']}")
    assert found["state"] == "done"
    return found


async def test_a_trial_says_what_would_change_and_changes_nothing(api: Api) -> None:
    await shop(api)
    before = await ids(api, LAPTOPS)
    assert before[0] == before[1]
    found = await trial(api, BLOCK_INFO)
    result = found["result"]
    assert result["profiles"] == {"before": 2, "after": 4}
    assert result["profiles_split"] == 2
    assert result["sizes"]["before"]["3-5"] == 1
    assert result["sizes"]["after"]["1"] == 3
    assert result["segments"] == [{"key": "buyers", "before": 1, "after": 2}]
    (change,) = result["largest"]
    assert change["kind"] == "split"
    assert change["because"] == ["a rule says that email:info@shop.example links nobody"]
    assert await ids(api, LAPTOPS) == before
    assert (await api.get("/identity/rules"))["version"] == 0


async def test_rules_that_were_tried_come_in_and_go_again(api: Api) -> None:
    await shop(api)
    before = await ids(api, LAPTOPS)
    found = await trial(api, BLOCK_INFO)
    done = await api.call("POST", f"/identity/rules/dry-run/{found['id']}/activate")
    assert done.json()["state"] == "marking"
    await api.settle()
    assert (await api.get("/identity/rules"))["state"] == "done"
    first, second = await ids(api, LAPTOPS)
    assert first != second
    assert (await api.get("/segments/buyers"))["size"] == 2
    changes: Any = (await api.get("/segments/buyers/changes"))["changes"]
    assert len(changes) == 1, "who was in it does not enter again"
    history: Any = (await api.get("/identity/anonymous_id:l2"))["history"]
    assert (history[0]["kind"], history[0]["cause"]["type"]) == ("split", "rules")
    await api.put("/identity/rules", {})
    await api.settle()
    assert await ids(api, LAPTOPS) == before


async def test_new_events_follow_the_new_rules_at_once(api: Api) -> None:
    await shop(api)
    await api.put("/identity/rules", BLOCK_INFO)
    call = {"anonymousId": "l3", "traits": {"email": "info@else.example"}}
    assert (await api.send("/v1/identify", call)).is_success
    assert (await api.send("/v1/identify", call | {"anonymousId": "l4"})).is_success
    await api.settle()
    third, fourth = await ids(api, ("anonymous_id:l3", "anonymous_id:l4"))
    assert third != fourth


@pytest.mark.parametrize(
    ("wrong", "field", "fix"),
    [
        (
            {"namespaces": {"email": {"limt": 3}}},
            "namespaces.email.value.limt",
            "known are blocked, limit, links",
        ),
        ({"strength": ["login", "login"]}, "strength", "Must have each kind only once."),
        ({"review": 1}, "review", "Must be greater than or equal to 2"),
        ({"others": {"region": "Germany"}}, "others.region", "two capital letters, like DE"),
    ],
)
async def test_a_wrong_rule_is_named_with_its_fix(
    api: Api, wrong: dict[str, Any], field: str, fix: str
) -> None:
    answer = await api.call("PUT", "/identity/rules", json=wrong)
    assert answer.status_code == 400
    (problem,) = answer.json()["errors"]
    assert problem["field"] == field
    assert fix in problem["message"]


async def test_a_union_that_awaits_a_review_is_listed_and_can_be_approved(api: Api) -> None:
    await api.put("/identity/rules", {"review": 2, "namespaces": {"user_id": {"limit": 2}}})
    people = [
        {"type": "identify", "userId": user, "anonymousId": f"{user}-phone"}
        for user in ("ada", "countess")
    ]
    weak = {"type": "track", "userId": "ada", "anonymousId": "countess-phone", "event": "Seen"}
    assert (await api.send("/v1/batch", {"batch": [*people, weak]})).is_success
    await api.settle()
    users = ("user_id:ada", "user_id:countess")
    assert len(set(await ids(api, users))) == 2
    suspects: Any = (await api.get("/identity/suspects"))["suspects"]
    (held,) = suspects
    pair = {held["a"], held["b"]}
    assert (held["kind"], pair) == ("held", {"user_id:ada", "anonymous_id:countess-phone"})
    assert "awaits a review" in held["reason"]
    word = {"a": held["a"], "b": held["b"], "reason": "a title of hers"}
    assert (await api.call("POST", "/identity/link", json=word)).is_success
    await api.settle()
    assert len(set(await ids(api, users))) == 1
    assert (await api.get("/identity/suspects"))["suspects"] == []


NUMBERS = ("030 123456", "+49 30 123456", "0049 (30) 12 34 56")
GERMAN = {"namespaces": {"phone": {"region": "DE"}}}


async def test_numbers_in_several_spellings_are_one_where_a_region_is_set(
    api: Api, running: Running
) -> None:
    phones = [f"anonymous_id:p{number}" for number in range(len(NUMBERS))]
    for number, spelling in enumerate(NUMBERS):
        call = {"anonymousId": f"p{number}", "traits": {"phone": spelling}}
        assert (await api.send("/v1/identify", call)).is_success
        await api.settle()
    before = await ids(api, phones)
    assert len(set(before)) == 3
    result = (await trial(api, GERMAN))["result"]
    assert result["profiles"] == {"before": 3, "after": 1}
    assert result["profiles_merged"] == 2
    assert await ids(api, phones) == before
    await api.put("/identity/rules", GERMAN)
    await api.settle()
    assert len(set(await ids(api, phones))) == 1
    profile = await api.get(f"/profiles/{phones[0]}")
    assert len(profile["identifiers"]["phone"]) == 3  # type: ignore[index]
    pair = {"a": phones[0], "b": phones[2]}
    told = (await api.call("GET", "/identity/explain", params=pair)).json()
    assert "the rules take its spelling for this" in told["answer"]
    assert "~phone:+4930123456" in told["answer"]
    later = {"anonymousId": "p9", "traits": {"phone": "(030) 123456"}}
    assert (await api.send("/v1/identify", later)).is_success
    await api.settle()
    assert len(set(await ids(api, [*phones, "anonymous_id:p9"]))) == 1
    await verify(api, running)
    await api.put("/identity/rules", {})
    await api.settle()
    assert await ids(api, phones) == before
    await verify(api, running)


async def verify(api: Api, running: Running) -> None:
    async with main.replaying(api.instance.settings, running) as replay:
        comparisons = await until_quiet(replay)
    assert all(comparison.equal for comparison in comparisons), comparisons
