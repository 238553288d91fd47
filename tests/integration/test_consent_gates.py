"""Consent end to end: signals in, the collection gate, the use gate, history and purposes."""

from __future__ import annotations

import asyncio
from typing import Any

from cdp import main, status, times
from cdp.instance import Running
from cdp.replay import until_quiet
from tests.conftest import Api

STAMP = {"consent": {"categoryPreferences": {"Analytics": False}}}


async def track(api: Api, user: str, name: str = "Viewed", **fields: Any) -> None:
    headers = fields.pop("headers", {})
    answer = await api.send("/v1/track", {"userId": user, "event": name} | fields, **headers)
    assert (answer.status_code, answer.json()) == (200, {"success": True})


async def numbers(api: Api) -> dict[str, Any]:
    async with api.instance.core.database.transaction() as connection:
        return await status.read(connection)


async def decide(api: Api, ref: str, purpose: str, state: str, **more: Any) -> dict[str, Any]:
    return await api.put(f"/consent/{ref}", {"purpose": purpose, "state": state} | more)


async def until_collectors_know(
    api: Api, *identifiers: tuple[str, str], collect: bool = False
) -> None:
    """The news reaches collectors by notification, a moment after the agents have decided."""
    core = api.instance.core
    async with asyncio.timeout(5):
        for identifier in identifiers or [("user_id", "ada")]:
            subject = core.vault.subject(*identifier)
            while (
                (await core.keyring.ensure(core.database, [subject]))[subject].collect is False
            ) == collect:
                await asyncio.sleep(0.01)


async def test_a_stamp_that_refuses_leaves_the_decision_and_a_count(api: Api) -> None:
    await track(api, "ada", properties={"secret": 1}, context=STAMP)
    await api.settle()
    profile = await api.get("/profiles/user_id:ada")
    assert (profile["events"], profile["consent"]["analytics"]) == ({}, "denied")  # type: ignore[index]
    await until_collectors_know(api)
    for _ in range(3):
        await track(api, "ada", context=STAMP)
    await track(api, "ada")
    found = await numbers(api)
    assert (found["events"], found["uncollected"]) == (1, 4)


async def test_who_is_not_that_person_after_all_is_collected_again(api: Api) -> None:
    await api.send("/v1/identify", {"userId": "ada", "anonymousId": "d1"})
    await decide(api, "user_id:ada", "analytics", "denied")
    await api.settle()
    await until_collectors_know(api, ("user_id", "ada"), ("anonymous_id", "d1"))
    word = {"a": "user_id:ada", "b": "anonymous_id:d1", "reason": "a shop's own device"}
    assert (await api.call("POST", "/identity/unlink", json=word)).is_success
    await api.settle()
    await until_collectors_know(api, ("anonymous_id", "d1"), collect=True)
    await api.send("/v1/page", {"anonymousId": "d1"})
    await track(api, "ada")
    await api.settle()
    assert (await api.get("/profiles/anonymous_id:d1"))["events"] == {"page": 1}
    assert (await api.get("/profiles/user_id:ada"))["events"] == {}


async def test_a_withdrawal_by_api_closes_collection_for_the_whole_person(api: Api) -> None:
    await api.send("/v1/identify", {"userId": "ada", "anonymousId": "d1"})
    await api.settle()
    await decide(api, "user_id:ada", "analytics", "denied")
    await api.settle()
    await until_collectors_know(api, ("user_id", "ada"), ("anonymous_id", "d1"))
    await api.send("/v1/page", {"anonymousId": "d1"})
    await track(api, "ada")
    await track(api, "bob")
    await api.settle()
    assert (await numbers(api))["uncollected"] == 2
    assert (await api.get("/profiles/user_id:ada"))["events"] == {}
    assert (await api.get("/profiles/user_id:bob"))["events"] == {"Viewed": 1}


async def test_a_new_yes_opens_collection_again(api: Api) -> None:
    await decide(api, "user_id:ada", "analytics", "denied")
    await api.settle()
    await until_collectors_know(api)
    await track(api, "ada")
    await track(api, "ada", context={"consent": {"categoryPreferences": {"Analytics": True}}})
    await api.settle()
    assert (await api.get("/profiles/user_id:ada"))["events"] == {"Viewed": 1}


async def test_gpc_opts_out_of_sale_once_and_stops_nothing_else(api: Api) -> None:
    for _ in range(3):
        await track(api, "ada", headers={"sec-gpc": "1"})
    await api.settle()
    consent = await api.get("/consent/user_id:ada")
    assert consent["state"]["sale_or_share"] == "denied"  # type: ignore[index]
    assert consent["decisions"]["sale_or_share"]["source"] == "gpc"  # type: ignore[index]
    assert (await api.get("/profiles/user_id:ada"))["events"] == {"Viewed": 3}
    await decide(api, "user_id:ada", "sale_or_share", "granted")
    await track(api, "ada", headers={"sec-gpc": "1"})
    await api.settle()
    consent = await api.get("/consent/user_id:ada")
    assert consent["state"]["sale_or_share"] == "granted"  # type: ignore[index]


async def test_the_state_is_told_at_once_and_the_history_with_its_particulars(api: Api) -> None:
    await track(api, "ada")
    await api.settle()
    particulars = {"jurisdiction": "DE", "notice": "v3", "proof": "checkbox 7", "source": "footer"}
    fact = await decide(api, "user_id:ada", "marketing_email", "granted", **particulars)
    consent = await api.get("/consent/user_id:ada")
    assert consent["state"]["marketing_email"] == "granted"  # type: ignore[index]
    await decide(api, "user_id:ada", "marketing_email", "denied")
    consent = await api.get("/consent/user_id:ada")
    assert consent["state"]["marketing_email"] == "denied"  # type: ignore[index]
    first, second = consent["history"]  # type: ignore[misc]
    assert (first["fact"], first["notice"], first["proof"]) == (fact["fact"], "v3", "checkbox 7")
    assert [first["state"], second["state"]] == ["granted", "denied"]


async def test_a_late_decision_counts_when_it_was_taken(api: Api) -> None:
    await decide(api, "user_id:ada", "marketing_email", "denied")
    before = times.iso(times.now() - 3600 * times.SECOND)
    await decide(api, "user_id:ada", "marketing_email", "granted", at=before)
    await api.settle()
    consent = await api.get("/consent/user_id:ada")
    assert consent["state"]["marketing_email"] == "denied"  # type: ignore[index]


async def test_consent_follows_the_person_through_a_merge(api: Api) -> None:
    await decide(api, "anonymous_id:d1", "marketing_email", "granted")
    await api.settle()
    await decide(api, "user_id:ada", "marketing_email", "denied")
    await api.send("/v1/identify", {"userId": "ada", "anonymousId": "d1"})
    await api.settle()
    state = (await api.get("/profiles/anonymous_id:d1"))["consent"]
    assert state["marketing_email"] == "denied"  # type: ignore[index]


async def test_decisions_may_be_recorded_by_email_or_profile_id(api: Api) -> None:
    await decide(api, "email:Ada@Example.com", "marketing_email", "granted")
    await api.settle()
    profile = await api.get("/profiles/email:ada@example.com")
    assert profile["identifiers"] == {"email": ["ada@example.com"]}
    await decide(api, str(profile["profile_id"]), "marketing_push", "granted")
    await api.settle()
    state = (await api.get("/profiles/email:ada@example.com"))["consent"]
    assert (state["marketing_email"], state["marketing_push"]) == ("granted", "granted")  # type: ignore[index]


async def test_a_purpose_and_its_signals_can_be_defined_and_everybody_is_looked_at_again(
    api: Api,
) -> None:
    stamp = {"consent": {"categoryPreferences": {"Newsletter 2026": True}}}
    await track(api, "ada", context=stamp)
    await api.put("/segments/readers", {"name": "r", "purpose": "necessary", "where": seen()})
    await api.settle()
    purpose = {"name": "Newsletter", "by_default": "denied", "signals": ["Newsletter 2026"]}
    await api.put("/consent/purposes/newsletter", purpose)
    await api.put("/segments/readers", {"name": "r", "purpose": "newsletter", "where": seen()})
    await api.settle()
    assert (await api.get("/segments/readers"))["size"] == 1
    await api.put("/consent/purposes/newsletter", purpose | {"signals": []})
    await api.settle()
    assert (await api.get("/segments/readers"))["size"] == 0


def seen() -> dict[str, Any]:
    return {"event": "Viewed"}


async def test_an_unknown_purpose_is_an_error_that_names_those_there_are(api: Api) -> None:
    body = {"purpose": "marketing_emial", "state": "granted"}
    answer = await api.call("PUT", "/consent/user_id:ada", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "marketing_email" in answer.json()["detail"]


async def test_an_event_that_denies_a_purpose_never_counts_for_it(
    api: Api, running: Running
) -> None:
    refusing = {"consent": {"categoryPreferences": {"Advertising": False}}}
    viewed: dict[str, Any] = {"event": "Viewed", "count": {"gte": 2}}
    for key, where in {"ever": viewed, "lately": viewed | {"within": "9d"}}.items():
        segment = {"name": key, "purpose": "sale_or_share", "where": where}
        await api.put(f"/segments/{key}", segment)
    await track(api, "ada")
    await track(api, "ada", context=refusing)
    known = {"userId": "ada", "traits": {"city": "Paris"}, "context": refusing}
    assert (await api.send("/v1/identify", known)).is_success
    await track(api, "ada", headers={"sec-gpc": "1"})
    await api.settle()
    await decide(api, "user_id:ada", "sale_or_share", "granted")
    for purpose in ("sale_or_share", "analytics"):  # these are counted from history
        segment = {"name": purpose, "purpose": purpose, "where": viewed | {"within": "8d"}}
        await api.put(f"/segments/{purpose}", segment)
    city = {"trait": "city", "eq": "Paris"}
    await api.put("/segments/city", {"name": "c", "purpose": "sale_or_share", "where": city})
    await api.settle()
    profile = await api.get("/profiles/user_id:ada")
    assert (profile["events"], profile["traits"]) == ({"Viewed": 3}, {"city": "Paris"})
    assert profile["segments"] == ["analytics"]
    await verify(api, running)
    await track(api, "ada")
    await api.settle()
    inside = ["analytics", "ever", "lately", "sale_or_share"]
    assert (await api.get("/profiles/user_id:ada"))["segments"] == inside


async def test_what_means_a_purpose_may_change_and_history_is_seen_by_it(api: Api) -> None:
    refusing = {"consent": {"categoryPreferences": {"Newsletter 2026": False}}}
    purpose = {"name": "Newsletter", "by_default": "granted", "signals": []}
    await api.put("/consent/purposes/newsletter", purpose)
    await api.put("/segments/readers", {"name": "r", "purpose": "newsletter", "where": seen()})
    await track(api, "ada", context=refusing)
    await api.settle()
    assert (await api.get("/segments/readers"))["size"] == 1
    await api.put("/consent/purposes/newsletter", purpose | {"signals": ["Newsletter 2026"]})
    await decide(api, "user_id:ada", "newsletter", "granted")
    await api.settle()
    profile = await api.get("/profiles/user_id:ada")
    assert (profile["consent"]["newsletter"], profile["segments"]) == ("granted", [])  # type: ignore[index]


async def verify(api: Api, running: Running) -> None:
    async with main.replaying(api.instance.settings, running) as replay:
        comparisons = await until_quiet(replay)
    assert all(comparison.equal for comparison in comparisons), comparisons
