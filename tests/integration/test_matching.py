"""Matching: who is alike is suggested, linked where the rules say so, and never unasked."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations
from typing import Any

import pytest

from cdp import main
from cdp.instance import Running
from cdp.replay import until_quiet
from tests.support.instances import Api
from tests.support.people import ALLOWS, REFUSES, rows, said_by


async def tell(api: Api, *calls: dict[str, Any]) -> None:
    answer = await api.send("/v1/batch", {"batch": list(calls)})
    assert answer.status_code == 200, answer.text
    await api.settle()


async def meet(api: Api, **more: Any) -> list[dict[str, str]]:
    """Everybody of the dataset, each call as if it came from a browser of its own."""
    people = rows()
    for at in range(0, len(people), 500):
        await tell(api, *(said_by(row, **more) for row in people[at : at + 500]))
    return people


async def profile(api: Api, who: str, **options: Any) -> dict[str, Any]:
    return await api.get(f"/profiles/anonymous_id:{who}" + options.get("query", ""))


async def suggestions(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: object = ""
    while cursor is not None:
        page = await api.get(f"/identity/suggestions?limit=300&cursor={cursor}")
        found += page["suggestions"]  # type: ignore[arg-type]
        cursor = page["next"]
    return found


async def clusters(api: Api, people: list[dict[str, str]]) -> dict[str, list[str]]:
    """By the dataset's own word: the profile of each of its records."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in people:
        found[(await profile(api, f"p{row['unique_id']}"))["profile_id"]].append(row["cluster"])
    return found


def quality(found: dict[str, list[str]], people: list[dict[str, str]]) -> tuple[float, float]:
    """Precision and recall over pairs of records."""
    pairs = [a == b for inside in found.values() for a, b in combinations(inside, 2)]
    sizes = Counter(row["cluster"] for row in people).values()
    return sum(pairs) / len(pairs), sum(pairs) / sum(n * (n - 1) / 2 for n in sizes)


async def same_when_replayed(api: Api, running: Running) -> None:
    async with main.replaying(api.instance.settings, running) as replay:
        comparisons = await until_quiet(replay)
    assert all(comparison.equal for comparison in comparisons), comparisons


async def test_people_are_suggested_then_linked_and_a_replay_agrees(
    api: Api, running: Running
) -> None:
    people = await meet(api, context=ALLOWS)
    without = quality(await clusters(api, people), people)
    shown = await api.put("/identity/matching", {})
    assert (shown["state"], shown["learned"]) == ("filling", None)
    await api.settle()
    shown = await api.get("/identity/matching")
    assert (shown["state"], shown["waiting"]) == ("watching", 0)
    learned: Any = shown["learned"]
    first_name = next(each for each in learned["fields"] if each["name"] == "first_name")
    assert first_name["levels"][0]["bits"] > 3
    assert first_name["levels"][-2] == first_name["levels"][-2] | {"says": "different"}

    suggested = await suggestions(api)
    cluster = {f"anonymous_id:p{row['unique_id']}": row["cluster"] for row in people}
    named = [each for each in suggested if {each["a"], each["b"]} <= cluster.keys()]
    right = sum(cluster[each["a"]] == cluster[each["b"]] for each in named)
    assert len(named) > 100
    assert right / len(named) > 0.9
    assert all(0.8 <= each["probability"] <= 1 for each in suggested)
    assert all(each["fields"] for each in suggested)
    assert quality(await clusters(api, people), people) == without, "nobody asked to link anybody"

    await api.put("/identity/rules", {"confidence": 0.95})
    await api.settle()
    precision, recall = quality(await clusters(api, people), people)
    assert precision > 0.95
    assert recall > without[1] + 0.1
    left = await suggestions(api)
    assert left
    assert all(each["probability"] < 0.95 for each in left)
    await same_when_replayed(api, running)


async def _learned_of(api: Api) -> dict[str, Any]:
    """Two of whom matching is sure, that have nothing but likeness in common."""
    await meet(api, context=ALLOWS)
    await api.put("/identity/matching", {"suggest": 0.5})
    await api.settle()
    sure = max(await suggestions(api), key=lambda each: each["probability"])
    assert sure["probability"] > 0.99
    return sure


async def test_each_reader_chooses_what_is_sure_enough(api: Api) -> None:
    sure = await _learned_of(api)
    one, other = (sure[end] for end in ("a", "b"))
    plain = await api.get(f"/profiles/{one}")
    assert plain["profile_id"] != (await api.get(f"/profiles/{other}"))["profile_id"]
    namespace, value = str(other).split(":", 1)
    assert value not in plain["identifiers"].get(namespace, [])  # type: ignore[attr-defined]
    together = await api.get(f"/profiles/{one}?min_confidence=0.9")
    assert value in together["identifiers"][namespace]  # type: ignore[index]
    assert await api.get(f"/profiles/{one}?min_confidence=1") == plain
    await api.put("/identity/rules", {"confidence": 0.9})
    await api.settle()
    linked = await api.get(f"/profiles/{one}")
    assert value in linked["identifiers"][namespace]  # type: ignore[index]
    apart = await api.get(f"/profiles/{one}?min_confidence=1")
    assert apart["identifiers"] == plain["identifiers"]
    why = await api.get(f"/identity/explain?a={one}&b={other}")
    assert why["same"] is True
    assert "they are alike (" in str(why["answer"])
    likeness = [each["likeness"] for each in why["path"]]  # type: ignore[attr-defined]
    assert any(each and each["probability"] > 0.9 and each["fields"] for each in likeness)
    for wrong in ("0.4", "1.1", "much", "nan"):
        answer = await api.call("GET", f"/profiles/{one}?min_confidence={wrong}")
        assert (answer.status_code, answer.json()["field"]) == (400, "min_confidence")


async def test_who_withdraws_is_compared_with_nobody(api: Api, running: Running) -> None:
    sure = await _learned_of(api)
    await api.put("/identity/rules", {"confidence": 0.9})
    await api.settle()
    before = await api.get(f"/profiles/{sure['a']}")
    namespace, value = sure["a"].split(":", 1)
    who = {"anonymousId": value} if namespace == "anonymous_id" else {"userId": value}
    assert namespace in {"anonymous_id", "email"}
    if namespace == "email":
        who = {"anonymousId": before["identifiers"]["anonymous_id"][0]}  # type: ignore[index]
    await tell(api, {"type": "track", "event": "Seen", "context": REFUSES, **who})
    after = await api.get(f"/profiles/{sure['a']}")
    why = await api.get(f"/identity/explain?a={sure['a']}&b={sure['b']}")
    assert why["same"] is False
    assert after["identifiers"] != before["identifiers"]
    read = await api.get(f"/profiles/{sure['a']}?min_confidence=0.5")
    assert read["identifiers"] == after["identifiers"]
    assert all(sure["a"] not in (each["a"], each["b"]) for each in await suggestions(api))
    await same_when_replayed(api, running)


async def test_who_withdraws_is_parted_even_when_nobody_is_compared_any_more(api: Api) -> None:
    sure = await _learned_of(api)
    await api.put("/identity/rules", {"confidence": 0.9})
    await api.settle()
    assert (await api.call("DELETE", "/identity/matching")).status_code == 204
    await api.settle()
    before = await api.get(f"/profiles/{sure['a']}")
    why = f"/identity/explain?a={sure['a']}&b={sure['b']}"
    assert (await api.get(why))["same"] is True, "what was found stays"
    for who in before["identifiers"]["anonymous_id"]:  # type: ignore[index]
        await tell(api, {"type": "track", "event": "Seen", "context": REFUSES, "anonymousId": who})
    assert (await api.get(why))["same"] is False


async def test_an_operators_word_settles_a_suggestion(api: Api) -> None:
    sure = await _learned_of(api)
    others = [each for each in await suggestions(api) if each != sure]
    word = {"a": sure["a"], "b": sure["b"], "reason": "twins", "by": "eve"}
    assert (await api.call("POST", "/identity/unlink", json=word)).status_code == 200
    await api.put("/identity/rules", {"confidence": 0.5})
    await api.settle()
    why = await api.get(f"/identity/explain?a={sure['a']}&b={sure['b']}")
    assert why["same"] is False
    assert await suggestions(api) == []
    await api.put("/identity/rules", {})
    await api.settle()
    pairs = [(each["a"], each["b"]) for each in await suggestions(api)]
    assert sorted(pairs) == sorted((each["a"], each["b"]) for each in others)


async def test_nobody_is_compared_who_does_not_allow_it(api: Api) -> None:
    await meet(api)
    shown = await api.put("/identity/matching", {})
    await api.settle()
    shown = await api.get("/identity/matching")
    assert (shown["compared"], shown["pairs"], shown["state"]) == (0, 0, "learning")
    assert "waiting for 100 people who allow profiling" in str(shown["hint"])
    assert (await api.call("POST", "/identity/matching/learn")).status_code == 409
    assert (await api.call("DELETE", "/identity/matching")).status_code == 204
    assert (await api.get("/identity/matching"))["state"] == "off"


@pytest.mark.parametrize(
    ("form", "field", "told"),
    [
        ({"keys": ["last_nam + postcode"]}, "keys[0]", "'last_nam' is not one of the fields"),
        ({"keys": ["last_name.0"]}, "keys[0]", "say how many characters"),
        ({"fields": []}, "fields", ""),
        (
            {
                "fields": [
                    {"name": "a", "compare": "name", "traits": ["a"]},
                    {"name": "a", "compare": "name", "traits": ["a"]},
                ]
            },
            "fields[1].name",
            "only once",
        ),
        (
            {
                "fields": [
                    {"name": "a", "compare": "name", "traits": ["a"], "crossed": "c"},
                    {"name": "b", "compare": "name", "traits": ["b"]},
                ]
            },
            "fields[0].crossed",
            "another field",
        ),
        ({"suggest": 0.2}, "suggest", "0.5"),
    ],
)
async def test_what_is_wrong_with_a_form_is_named(
    api: Api, form: dict[str, Any], field: str, told: str
) -> None:
    answer = await api.call("PUT", "/identity/matching", json=form)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert told in answer.json()["detail"]
