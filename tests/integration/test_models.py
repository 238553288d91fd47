"""Models live: events in, clusters out as computed traits, new people assigned, segments made."""

from __future__ import annotations

from typing import Any

import pytest

from cdp import main
from cdp.instance import Running
from cdp.replay import until_quiet
from tests.conftest import Api
from tests.support.people import ALLOWS
from tests.support.privacy import done
from tests.support.tribes import TRIBES, buyer, facts, fit, gazer, of, open_shop, tell


@pytest.fixture
async def shop(api: Api) -> Api:
    await open_shop(api)
    return api


async def test_from_events_to_a_segment_of_a_cluster(shop: Api) -> None:
    model: Any = await shop.get("/models/tribes")
    assert (model["state"], model["error"], model["progress"]) == ("live", "", 1.0)
    report = model["fit"]["report"]
    assert report["chosen"] == {"clusters": 2, "silhouette": 2, "elbow": 2}, report["curves"]
    buyers, gazers = await of(shop, "b1"), await of(shop, "g1")
    assert {await of(shop, f"b{n}") for n in range(30)} == {buyers}
    assert {await of(shop, f"g{n}") for n in range(30)} == {gazers}
    assert buyers != gazers
    labels = {each["id"]: each["label"] for each in report["clusters"]}
    assert labels[buyers] == "more tea (taste), more Order Completed, seen lately"
    assert labels[gazers].startswith("more cake (taste), more Product Viewed")

    path = f"/models/tribes/clusters/{buyers}/segment"
    made = await shop.call("POST", path, json={"key": "regulars", "name": "Regulars"})
    assert made.status_code == 200, made.text
    await shop.settle()
    assert (await shop.get("/segments/regulars"))["size"] == 30

    why: Any = await shop.get("/profiles/user_id:b1/segments/regulars/explain")
    assert why["because"] == [f"computed.tribes = '{buyers}'"]
    assert why["tree"]["value"] == buyers

    await tell(shop, *buyer("new", 1))
    assert await of(shop, "new") == buyers
    assert (await shop.get("/segments/regulars"))["size"] == 31


async def test_what_a_model_says_is_in_the_log_and_a_replay_finds_it(
    shop: Api, running: Running
) -> None:
    async with main.replaying(shop.instance.settings, running) as replay:
        comparisons = await until_quiet(replay)
    assert all(comparison.equal for comparison in comparisons), comparisons
    told: Any = await shop.get("/profiles/user_id:b1/timeline?event=predict")
    (said,) = told["timeline"]
    model: Any = await shop.get("/models/tribes")
    assert said["properties"] == {
        "model": "tribes",
        "number": 1,
        "version": 1,
        "purpose": "profiling",
        "value": await of(shop, "b1"),
    }
    assert model["fit"]["version"] == 1
    before = model["created_at"]
    then: Any = await shop.get(f"/profiles/user_id:b1?as_of={before}")
    assert then["computed"] == {}
    now: Any = await shop.get(f"/profiles/user_id:b1?as_of={said['received_at']}")
    assert now["computed"] == {"tribes": said["properties"]["value"]}


async def test_a_profile_tells_which_version_of_a_model_said_it(shop: Api) -> None:
    shown: Any = await shop.get("/profiles/user_id:b1")
    at = shown["predicted"]["tribes"].pop("at")
    assert shown["predicted"] == {"tribes": {"model": "tribes", "version": 1}}
    assert at >= shown["last_seen"]
    first: Any = (await shop.get("/profiles/user_id:g1"))["last_seen"]
    assert first < at  # nobody did anything when they were scored


async def test_who_withdraws_is_neither_learned_from_nor_scored(shop: Api) -> None:
    assert await of(shop, "b2") is not None
    path = "/models/tribes/clusters/c1/segment"
    assert (await shop.call("POST", path, json={"key": "one", "name": "One"})).is_success
    await shop.settle()
    cluster = {each: await of(shop, each) for each in ("b2", "b3")}
    assert cluster["b2"] == cluster["b3"]
    size: Any = (await shop.get("/segments/one"))["size"]
    await shop.put("/consent/user_id:b2", {"purpose": "profiling", "state": "denied"})
    await shop.settle()
    assert await of(shop, "b2") is None
    assert (await shop.get("/segments/one"))["size"] == size - (cluster["b2"] == "c1")
    refused = {"context": {"consent": {"categoryPreferences": {"profiling": False}}}}
    await tell(shop, *({**each, **refused} for each in buyer("shy", 1)))
    assert await of(shop, "shy") is None
    await fit(shop)
    assert ((await shop.get("/models/tribes/fits"))["fits"][0])["people"] == 59  # type: ignore[index]
    assert await facts(shop, "shy") == 0
    assert await facts(shop, "b2") == 1


async def test_a_fit_that_finds_the_same_tells_nothing_anew(shop: Api) -> None:
    await fit(shop)
    fits: Any = (await shop.get("/models/tribes/fits"))["fits"]
    assert [(each["version"], each["state"]) for each in fits] == [(2, "done"), (1, "done")]
    assert fits[0]["report"]["stability"] == {
        "agreement": 1.0,
        "gone": [],
        "kept": ["c1", "c2"],
        "new": [],
    }
    assert await facts(shop, "b1") == 1


async def test_of_two_who_turn_out_to_be_one_one_is_kept(shop: Api) -> None:
    buyers, gazers = await of(shop, "b1"), await of(shop, "g1")
    visitor = [each | {"anonymousId": "phone"} for each in gazer("x", 2)]
    for each in visitor:
        del each["userId"]
    await tell(shop, *visitor)
    shown: Any = await shop.get("/profiles/anonymous_id:phone")
    assert shown["computed"]["tribes"] == gazers
    login = {"type": "identify", "userId": "b1", "anonymousId": "phone", "context": ALLOWS}
    await tell(shop, login)
    assert await of(shop, "b1") == buyers
    one: Any = await shop.get("/profiles/anonymous_id:phone")
    assert one["computed"]["tribes"] == buyers
    word = {"a": "user_id:b1", "b": "anonymous_id:phone", "reason": "a shared phone"}
    assert (await shop.call("POST", "/identity/unlink", json=word)).is_success
    await shop.settle()
    assert await of(shop, "b1") == buyers
    two: Any = await shop.get("/profiles/anonymous_id:phone")
    assert two["computed"]["tribes"] == gazers


async def test_a_correction_leaves_what_models_said_which_are_not_corrected(
    shop: Api, running: Running
) -> None:
    before = await of(shop, "b1")
    timeline = "/profiles/user_id:b1/timeline"
    said: Any = (await shop.get(f"{timeline}?event=predict"))["timeline"][0]
    wrong = {"event": said["id"], "reason": "a likeness"}
    refused = await shop.call("POST", "/corrections", json=wrong)
    assert (refused.status_code, "/fit" in refused.json()["detail"]) == (409, True)
    order: Any = (await shop.get(f"{timeline}?event=Order Completed"))["timeline"][0]
    wrong = {"event": order["id"], "reason": "sent back"}
    assert (await shop.call("POST", "/corrections", json=wrong)).is_success
    await shop.settle()
    assert await of(shop, "b1") == before
    async with main.replaying(shop.instance.settings, running) as replay:
        assert all(each.equal for each in await until_quiet(replay))


async def test_an_sdk_cannot_say_what_a_model_says(shop: Api) -> None:
    forged = {
        "type": "predict",
        "userId": "g1",
        "properties": {"model": "tribes", "number": 1, "purpose": "profiling", "value": "c9"},
    }
    assert (await shop.send("/v1/batch", {"batch": [forged]})).is_success
    refused: Any = await shop.get("/quarantine")
    assert "type" in str(refused["quarantine"][0]["reason"])
    tracked = forged | {"type": "track", "event": "predict", "context": ALLOWS}
    await tell(shop, tracked)
    assert await of(shop, "g1") in {"c1", "c2"}


async def test_who_is_erased_is_forgotten_by_the_models_too(shop: Api) -> None:
    await done(shop, "erase", "user_id:b1")
    assert (await shop.call("GET", "/profiles/user_id:b1")).status_code == 404
    await fit(shop)
    assert (await shop.call("GET", "/profiles/user_id:b1")).status_code == 404


async def test_a_model_and_its_trait_go_together(shop: Api) -> None:
    other = {"name": "Other", "value": "count('page')"}
    assert (await shop.call("PUT", "/traits/tribes", json=other)).status_code == 409
    assert (await shop.call("DELETE", "/traits/tribes")).status_code == 409
    path = "/models/tribes/clusters/c1/segment"
    assert (await shop.call("POST", path, json={"key": "one", "name": "One"})).is_success
    used = await shop.call("DELETE", "/models/tribes")
    assert (used.status_code, used.json()["detail"]) == (
        409,
        "tribes is used by segment one; change or delete them first",
    )
    assert (await shop.call("DELETE", "/segments/one")).is_success
    trait = {"name": "Likewise", "purpose": "analytics", "value": "predicted.tribes"}
    await shop.put("/traits/likewise", trait)
    await shop.settle()
    shown: Any = await shop.get("/profiles/user_id:b1")
    assert shown["computed"]["likewise"] == shown["computed"]["tribes"]
    assert (await shop.call("DELETE", "/models/tribes")).status_code == 409
    assert (await shop.call("DELETE", "/traits/likewise")).is_success
    assert (await shop.call("DELETE", "/models/tribes")).is_success
    await shop.settle()
    assert (await shop.get("/profiles/user_id:b1"))["computed"] == {}
    # Another one of that name knows nothing of what the first one said.
    await shop.put("/models/tribes", TRIBES | {"every": "2d"})
    assert await of(shop, "b1") is None
    await shop.settle()
    assert await of(shop, "b1") is not None
