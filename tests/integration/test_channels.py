"""Somebody allows a purpose by e-mail and not by push: on the page, as JSON, at the send gate."""

from __future__ import annotations

from typing import Any

from tests.conftest import Api
from tests.support.preferences import ADA, JSON, mint, path, post, posted, state
from tests.support.receiver import receiving

NEWS = {"name": "News", "by_default": "denied", "channels": ["email", "push"]}


async def chosen(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await state(api))["state"]
    return {key: found[key] for key in ("news", "news.email", "news.push")}


async def test_the_page_has_a_switch_for_every_channel(api: Api) -> None:
    await api.put("/consent/purposes/news", NEWS)
    where = path((await mint(api))["url"])
    page = (await api.client.get(where)).text
    assert "News: E-mail" in page
    assert "News: Push message" in page
    sent = posted(page, **{"news.email": True})
    await post(api, where, [*sent, ("do", "save")])
    assert await chosen(api) == {"news": "denied", "news.email": "granted", "news.push": "denied"}
    await post(api, where, [("do", "none")])
    assert set((await chosen(api)).values()) == {"denied"}


async def test_one_click_is_about_the_channel_that_a_message_came_by(api: Api) -> None:
    await api.put("/consent/purposes/news", NEWS)
    await api.put(f"/consent/{ADA}", {"purpose": "news", "state": "granted"})
    link = await mint(api, purpose="news.email")
    leave = path(link["unsubscribe_url"])
    await post(api, leave, [("List-Unsubscribe", "One-Click")])
    assert await chosen(api) == {"news": "granted", "news.email": "denied", "news.push": "granted"}
    await api.put("/consent/purposes/news", NEWS | {"channels": ["email"]})
    await post(api, leave, [("List-Unsubscribe", "One-Click")])  # now it is about all of it
    assert (await state(api))["state"]["news"] == "denied"


async def test_only_what_sends_by_an_allowed_channel_is_sent_to(api: Api) -> None:
    await api.put("/consent/purposes/news", NEWS)
    where = {"event": "Order Completed"}
    await api.put("/segments/buyers", {"name": "Buyers", "purpose": "analytics", "where": where})
    async with receiving() as hook:
        for channel in ("email", "push"):
            told = {"kind": "webhook", "url": hook.url, "purpose": "news", "channel": channel}
            await api.put(f"/destinations/{channel}", told)
        await api.put(f"/consent/{ADA}", {"purpose": "news.push", "state": "granted"})
        context = {"traits": {"email": "ada@example.com"}}
        call = {"event": "Order Completed", "userId": "ada", "context": context}
        assert (await api.send("/v1/track", call)).is_success
        await api.settle()
        ledger = (await api.get("/deliveries"))["deliveries"]
    assert isinstance(ledger, list)
    told = {each["destination"]: (each["state"], each["consent"]["purpose"]) for each in ledger}
    assert told == {"email": ("refused", "news.email"), "push": ("sent", "news.push")}


async def test_programs_see_the_channels_and_decide_on_them(api: Api) -> None:
    await api.put("/consent/purposes/news", NEWS)
    url = path((await mint(api))["url"])
    wanted = {"purposes": {"news.push": "granted"}}
    told = (await api.client.put(url, json=wanted, headers=JSON)).json()
    found = {each["key"]: each["state"] for each in told["purposes"]}
    assert (found["news.email"], found["news.push"]) == ("denied", "granted")
    assert "news" not in found
    there = await api.get("/consent/purposes/news")
    assert there["channels"] == ["email", "push"]
    people = await api.get("/consent/purposes/news.push/people")
    assert isinstance(people["people"], list)


async def test_two_purposes_that_stamps_cannot_tell_apart_are_refused(api: Api) -> None:
    await api.put("/consent/purposes/news", NEWS)
    answer = await api.call("PUT", "/consent/purposes/news_email", json={"name": "Mail"})
    assert answer.status_code == 400
    assert "news_email and news.email are the same" in answer.text


async def test_a_purpose_with_a_dash_can_be_decided_on(api: Api) -> None:
    await api.put("/consent/purposes/long-shots", {"name": "Long shots", "by_default": "denied"})
    await api.put(f"/consent/{ADA}", {"purpose": "long-shots", "state": "granted"})
    assert (await state(api))["state"]["long-shots"] == "granted"
