"""The preference centre over HTTP: what people decide there is a fact, and counts at once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import Api
from tests.support.preferences import (
    ADA,
    JSON,
    facts,
    mint,
    path,
    post,
    posted,
    state,
)


async def test_what_is_changed_on_the_page_is_recorded_and_nothing_else(api: Api) -> None:
    where = path((await mint(api, delivery="d-1"))["url"])
    page = await api.client.get(where)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "a•••@example.com" in page.text
    sent = posted(page.text, marketing_email=True, analytics=False, frequency="weekly")
    answer = await post(api, where, [*sent, ("do", "save")])
    assert (answer.status_code, answer.headers["location"]) == (303, "?lang=en&done=saved")
    again = await api.client.get(f"{where}?lang=en&done=saved")
    assert "Your choices are saved." in again.text
    assert set(re.findall(r'value="(\w+)" checked', again.text)) >= {"marketing_email", "weekly"}
    found = await state(api)
    assert found["state"]["marketing_email"] == "granted"
    assert found["state"]["analytics"] == "denied"
    said = {each["purpose"]: each for each in found["history"]}
    assert said.keys() == {"marketing_email", "analytics"}
    proof = said["marketing_email"]["proof"]
    assert re.fullmatch(r"link \w{16} of 20\S+Z, delivery d-1, page en-\w{8}", proof)
    assert said["marketing_email"]["notice"] in proof


async def test_a_page_that_is_out_of_date_takes_nothing_back(api: Api) -> None:
    where = path((await mint(api))["url"])
    old = (await api.client.get(where)).text
    await api.put(f"/consent/{ADA}", {"purpose": "marketing_email", "state": "granted"})
    await api.put(f"/consent/{ADA}", {"purpose": "analytics", "state": "denied"})
    await post(api, where, [*posted(old, profiling=True), ("do", "save")])
    found = (await state(api))["state"]
    assert (found["marketing_email"], found["analytics"]) == ("granted", "denied")
    assert found["profiling"] == "granted"
    answer = await post(api, where, [*posted((await api.client.get(where)).text), ("do", "save")])
    assert answer.headers["location"] == "?lang=en&done=same"


async def test_unsubscribing_from_everything_is_a_no_to_every_purpose(api: Api) -> None:
    where = path((await mint(api))["url"])
    answer = await post(api, where, [("do", "none"), ("granted", "marketing_email")])
    assert answer.headers["location"] == "?lang=en&done=none"
    found = await state(api)
    assert {p for p, s in found["state"].items() if s == "granted"} == {"necessary"}
    assert len(found["decisions"]) == len(found["state"]) - 1
    await post(api, where, [("do", "none")])
    assert await facts(api) == len(found["history"])


async def test_how_often_is_a_fact_and_the_latest_counts(api: Api) -> None:
    url = path((await mint(api))["url"])
    for often in ("weekly", "monthly"):
        told = await api.client.put(url, json={"frequency": often}, headers=JSON)
        assert told.json()["frequency"] == often
    await api.settle()
    assert (await api.client.get(url, headers=JSON)).json()["frequency"] == "monthly"
    assert await facts(api) == 0  # of no purpose


async def test_the_same_as_json_for_pages_of_ones_own(api: Api) -> None:
    url = path((await mint(api, language="de"))["url"])
    assert url.endswith("?lang=de")
    told = await api.client.get(url, headers=JSON | {"origin": "https://shop.example"})
    assert told.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in told.headers
    content = told.json()
    assert content["identifier"] == "a•••@example.com"
    assert [each["key"] for each in content["purposes"]][:2] == ["necessary", "analytics"]
    assert content["purposes"][1]["name"] == "Statistik"
    wanted = {"purposes": {"marketing_email": "granted"}, "notice": "shop-7", "language": "de"}
    told = await api.client.put(url, json=wanted, headers=JSON)
    states = {each["key"]: each["state"] for each in told.json()["purposes"]}
    assert states["marketing_email"] == "granted"
    (said,) = (await state(api))["history"]
    assert said["notice"] == "shop-7"
    told = await api.client.put(url, json={"unsubscribe_all": True}, headers=JSON)
    assert {each["key"] for each in told.json()["purposes"] if each["state"] == "granted"} == {
        "necessary"
    }
    asked = {"origin": "https://shop.example", "access-control-request-method": "PUT"}
    preflight = await api.client.options(url, headers=asked)
    assert preflight.status_code == 204
    assert "PUT" in preflight.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"purposes": {"necessary": "denied"}}, "purposes.necessary: unknown"),
        ({"purposes": {"mail": "denied"}}, "purposes.mail: unknown; known are analytics"),
        ({"purposes": {"analytics": "maybe"}}, "Must be granted or denied."),
        ({"frequency": "hourly"}, "frequency"),
        ({"all": 1}, "Unknown field; known are"),
    ],
)
async def test_what_is_wrong_with_a_wish_is_said(api: Api, wanted: Any, told: str) -> None:
    url = path((await mint(api))["url"])
    answer = await api.client.put(url, json=wanted, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert told in answer.json()["detail"]
    assert await facts(api) == 0


async def test_purposes_of_the_operators_own_have_their_name(api: Api) -> None:
    own = {"name": "Research <with> partners", "by_default": "denied", "channels": ["sms", "fax"]}
    await api.put("/consent/purposes/research", own)
    await api.put("/consent/purposes/analytics", {"name": "Counting", "by_default": "denied"})
    page = await api.client.get(path((await mint(api))["url"]) + "?lang=fr")
    assert "Research &lt;with&gt; partners: SMS" in page.text
    assert "Research &lt;with&gt; partners: fax" in page.text
    assert "Counting" in page.text
    assert "Publicité par e-mail" in page.text


# --- one click -------------------------------------------------------------------------------


async def test_people_ask_for_their_data(api: Api) -> None:
    where = path((await mint(api))["url"])
    assert "Download my data" in (await api.client.get(where)).text
    assert (await api.client.get(where, headers=JSON)).json()["requests"] == ["export", "erase"]
    answer = await post(api, where, [("do", "export")])
    (asked,) = await requests(api)
    assert (asked["kind"], asked["asked_by"]) == ("export", "person")
    reference = asked["id"]
    assert answer.headers["location"] == f"?lang=en&done=export&reference={reference}"
    page = await api.client.get(f"{where}?done=export&reference={reference}")
    assert f"Reference: {reference}" in page.text
    assert "<i>" not in (await api.client.get(f"{where}?done=export&reference=<i>")).text
    told = await api.client.post(where, json={"do": "export"})
    assert told.json() == {"request": reference}
    assert (await post(api, where, [("do", "dance")])).status_code == 400
    assert (await post(api, where, [("granted", "analytics")])).status_code == 400


async def test_who_deletes_their_data_is_told_at_once_and_the_link_ends(api: Api) -> None:
    await api.send("/v1/identify", {"userId": "ada", "traits": {"email": "ada@example.com"}})
    await api.settle()
    where = path((await mint(api))["url"])
    page = (await api.client.get(where)).text
    assert page.index("This cannot be undone.") < page.index("Yes, delete all of my data")
    answer = await post(api, where, [("do", "erase")])
    (asked,) = await requests(api)
    assert answer.status_code == 200
    assert f"Reference: {asked['id']}" in answer.text
    assert "We have received your request to delete your data." in answer.text
    await api.settle()
    (done,) = await requests(api)
    assert (done["status"], done["subjects"]) == ("done", 2)
    assert (await api.client.get(where)).status_code == 410
    assert (await api.call("GET", "/profiles/user_id:ada")).status_code == 404


async def requests(api: Api) -> list[dict[str, Any]]:
    return list((await api.get("/privacy/requests"))["requests"])  # type: ignore[call-overload]


# --- what else must hold ---------------------------------------------------------------------
