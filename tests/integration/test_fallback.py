"""The next channel, where a message fails for good; and what the ledger tells of each."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.conftest import Api
from tests.integration.test_campaigns import add, define
from tests.integration.test_deliveries import decide, due_now, ledger
from tests.integration.test_email import PURPOSE, ada, connect, say
from tests.support.receiver import Receiver, receiving
from tests.support.smtp import Mailbox, mailing


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailing() as found:
        yield found


async def channels(api: Api, hook: Receiver, *broken: str, **fields: Any) -> None:
    """A campaign by first, second, third; nothing listens where the broken ones lead."""
    for key in ("first", "second", "third"):
        url = "http://127.0.0.1:9/x" if key in broken else hook.url
        said = {"kind": "webhook", "url": url, "segments": ["buyers"], "max_attempts": 2}
        await api.put(f"/destinations/{key}", said)
    send = {"send": {"template": "cart", "channels": ["first", "second", "third"]}}
    await define(api, hook, steps=[send, {"wait": "1d"}], **fields)


async def tried(api: Api) -> list[dict[str, Any]]:
    for _ in range(8):
        await due_now(api)
    return await ledger(api)


async def test_what_fails_for_good_goes_by_the_next_channel_once(api: Api, hook: Receiver) -> None:
    await channels(api, hook, "first")
    await add(api, "ada")
    first, second = await tried(api)
    assert (first["destination"], first["state"], first["instead_of"]) == ("first", "parked", None)
    assert (second["destination"], second["state"]) == ("second", "sent")
    assert (second["instead_of"], second["because"]) == (first["id"], first["reason"])
    assert second["cause"] == first["cause"]
    assert second["responses"].keys() == {"delivered"}
    assert first["responses"] == {}
    assert len(hook.requests) == 1
    found: Any = await api.get("/campaigns/cart/results")
    assert [(each["step"], each["destination"]) for each in found["messages"]] == [
        (1, "first"),
        (1, "second"),
    ]


async def test_the_last_channel_is_the_end(api: Api, hook: Receiver) -> None:
    await channels(api, hook, "first", "second", "third")
    await add(api, "ada")
    found = await tried(api)
    assert [each["destination"] for each in found] == ["first", "second", "third"]
    assert {each["state"] for each in found} == {"parked"}


async def test_consent_is_asked_again_for_the_next_channel(api: Api, hook: Receiver) -> None:
    await channels(api, hook, "first")
    await add(api, "ada")
    await decide(api, "ada", "denied")
    hook.answer = lambda _: (500, {})
    found = await tried(api)
    assert {(each["state"], each["reason"]) for each in found} == {("refused", "consent")}
    assert hook.requests == []


async def test_caps_hold_for_the_next_channel(api: Api, hook: Receiver) -> None:
    """What failed took no room; another message that went meanwhile did."""
    await channels(api, hook, "first")
    await api.put("/pacing", {"caps": [{"limit": 0, "window": "1d", "channel": "sms"}]})
    said = {"kind": "webhook", "url": hook.url, "segments": ["buyers"], "channel": "sms"}
    await api.put("/destinations/second", said)
    await add(api, "ada")
    found = await tried(api)
    assert [(each["destination"], each["state"]) for each in found] == [
        ("first", "parked"),
        ("second", "refused"),
    ]
    assert found[1]["reason"].startswith("cap: 0 by sms")


async def test_who_reached_the_goal_is_sent_nothing_more(api: Api, hook: Receiver) -> None:
    await channels(api, hook, "first", goal={"event": "Order Completed"})
    await add(api, "ada")
    await add(api, "ada", event="Order Completed")
    found = await tried(api)
    mine = [each for each in found if each["change"] == "message"]
    assert [(each["destination"], each["state"]) for each in mine] == [("first", "parked")]


async def mailed(api: Api, hook: Receiver, box: Mailbox, *then: dict[str, Any]) -> None:
    """Ada is sent an e-mail, and would be sent a push message in its place."""
    await connect(api, box)
    hooked = {"kind": "webhook", "url": hook.url, "segments": ["none"], "channel": "push"}
    await api.put("/destinations/push", hooked)
    await say(api)
    await ada(api)
    await api.put("/consent/user_id:ada", {"purpose": PURPOSE, "state": "granted"})
    steps = [{"send": {"template": "hello", "channels": ["mail", "push"]}}, *then]
    said = {"name": "C", "trigger": {"call": True}, "purpose": PURPOSE, "steps": steps}
    await api.put("/campaigns/hello", said | {"again": "1s"})
    await api.call("POST", "/campaigns/hello/trigger", json={"profile": "user_id:ada", "id": "1"})
    await api.settle()


async def test_a_lasting_bounce_goes_by_the_next_channel_and_bars_e_mails_alone(
    api: Api, hook: Receiver, box: Mailbox
) -> None:
    await mailed(api, hook, box, {"wait": "1d"})
    came_back = {"message_id": box.messages[-1]["message-id"], "type": "bounced"}
    for _ in range(2):
        answer = await api.call("POST", "/bounces", json=came_back | {"status": "5.1.1"})
        assert answer.status_code == 200, answer.text
        await api.settle()
        await due_now(api)
    mail, push = await ledger(api)
    assert (mail["state"], mail["responses"].keys()) == ("sent", {"bounced"})
    assert (push["destination"], push["state"], push["because"]) == ("push", "sent", "bounced")
    assert push["instead_of"] == mail["id"]
    assert len(hook.requests) == 1


async def test_a_full_mailbox_is_no_reason(api: Api, hook: Receiver, box: Mailbox) -> None:
    await mailed(api, hook, box)
    came_back = {"message_id": box.messages[-1]["message-id"], "type": "bounced"}
    await api.call("POST", "/bounces", json=came_back | {"status": "4.2.2"})
    await api.settle()
    assert len(await ledger(api)) == 1


async def test_the_ledger_tells_what_was_done_with_a_message(api: Api, box: Mailbox) -> None:
    await connect(api, box)
    await say(
        api, '<a href="https://shop.example/x">Buy</a> <a href="{{ links.unsubscribe }}">-</a>'
    )
    await ada(api)
    for purpose in (PURPOSE, "analytics"):
        await api.put("/consent/user_id:ada", {"purpose": purpose, "state": "granted"})
    steps = [{"send": {"template": "hello", "channels": ["mail"]}}, {"wait": "1d"}]
    said = {"name": "C", "trigger": {"call": True}, "purpose": PURPOSE, "steps": steps}
    await api.put("/campaigns/hello", said | {"goal": {"event": "Order Completed"}})
    await api.call("POST", "/campaigns/hello/trigger", json={"profile": "user_id:ada"})
    await api.settle()
    part = box.messages[-1].get_body(("html",))
    assert part is not None
    click, picture = re.findall(r'"http://cdp\.test(/r/[^"]+)"', part.get_content())
    for path in (click, picture):
        await api.client.get(path, follow_redirects=False)
    leave = box.messages[-1]["list-unsubscribe"].strip("<>").removeprefix("http://cdp.test")
    left = await api.client.post(leave, data={"List-Unsubscribe": "One-Click"})
    assert left.is_success
    await api.send("/v1/track", {"userId": "ada", "event": "Order Completed"})
    await api.settle()
    (entry,) = await ledger(api)
    assert entry["responses"].keys() == {
        *("delivered", "opened", "clicked", "unsubscribed", "converted")
    }
    (journey,) = (await api.get("/campaigns/hello/journeys"))["journeys"]  # type: ignore[misc]
    assert journey["converted_at"] == entry["responses"]["converted"]
    found: Any = await api.get("/campaigns/hello/results")
    assert found["messages"][0]["unsubscribed"]["count"] == 1
