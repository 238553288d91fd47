"""Templates, live: looked at for a person, sent for a try, and parked where there is no message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Api
from tests.integration.test_deliveries import decide, ledger
from tests.support.receiver import Receiver, receiving

TEXTS = {
    "en": {
        "subject": "Hello {{ person.name }}",
        "html": "<p>{{ person.name }}, {{ event.product | default('it') }} waits.</p>"
        "<a href='{{ links.unsubscribe | default }}'>Leave</a>",
    }
}


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def define(api: Api, hook: Receiver) -> None:
    await api.put("/templates/cart", {"name": "C", "channel": "email", "texts": TEXTS})
    said = {"kind": "webhook", "url": hook.url, "segments": ["none"]}
    await api.put("/destinations/mail", said)
    traits = {"name": "Ada <b>", "email": "ada@example.com"}
    await api.send("/v1/identify", {"userId": "ada", "traits": traits})
    await api.send("/v1/track", {"userId": "bob", "event": "Seen"})
    for who in ("ada", "bob"):
        await decide(api, who, "granted")
    await api.settle()


async def send(api: Api, who: str) -> dict[str, Any]:
    body = {"profile": f"user_id:{who}", "destination": "mail", "purpose": "marketing_email"}
    answer = await api.call("POST", "/templates/cart/send", json=body)
    assert answer.status_code == 200, answer.text
    await api.settle()
    (entry,) = await ledger(api, f"?profile=user_id:{who}")
    assert entry["id"] == answer.json()["delivery"]
    return entry


async def test_it_is_looked_at_for_a_person_and_nothing_is_sent(api: Api, hook: Receiver) -> None:
    await define(api, hook)
    answer = await api.call("POST", "/templates/cart/preview", json={"profile": "user_id:ada"})
    assert answer.json()["message"] == {
        "subject": "Hello Ada <b>",
        "html": "<p>Ada &lt;b&gt;, it waits.</p><a href='https://example.com/unsubscribe'>Leave</a>",
        "text": "Ada <b>, it waits.\n\nLeave (https://example.com/unsubscribe)\n",
    }
    missing = await api.call("POST", "/templates/cart/preview", json={"profile": "user_id:bob"})
    assert (missing.status_code, missing.json()["detail"]) == (
        409,
        "template cart, subject: name is missing; say what to show: default('…')",
    )
    assert hook.requests == []


async def test_sent_for_a_try_it_goes_through_every_gate(api: Api, hook: Receiver) -> None:
    await define(api, hook)
    assert (await send(api, "ada"))["state"] == "sent"
    content = hook.requests[0].json["data"]["content"]
    assert content["subject"] == "Hello Ada <b>"
    link = content["links"]["unsubscribe"]
    assert link.startswith("http://cdp.test/preferences/unsubscribe/")
    assert f"href='{link}'" in content["html"]
    left = await api.client.post(link, data={"List-Unsubscribe": "One-Click"})
    assert left.status_code == 200
    await api.settle()
    body = {"profile": "user_id:ada", "destination": "mail", "purpose": "marketing_email"}
    again = (await api.call("POST", "/templates/cart/send", json=body)).json()["delivery"]
    await api.settle()
    found = {each["id"]: each for each in await ledger(api, "?profile=user_id:ada")}
    assert (found[again]["state"], found[again]["reason"]) == ("refused", "consent")


async def test_without_what_it_needs_it_is_parked_and_says_what(api: Api, hook: Receiver) -> None:
    await define(api, hook)
    entry = await send(api, "bob")
    assert (entry["state"], entry["attempts"]) == ("parked", 0)
    assert entry["reason"].startswith("template cart, subject: name is missing")
    assert hook.requests == []


async def test_a_template_that_a_campaign_sends_stays(api: Api, hook: Receiver) -> None:
    await define(api, hook)
    steps = [{"send": {"template": "cart", "channels": ["mail"]}}]
    said = {"name": "C", "trigger": {"call": True}, "purpose": "marketing_email", "steps": steps}
    await api.put("/campaigns/c", said)
    refused = await api.call("DELETE", "/templates/cart")
    assert (refused.status_code, "campaign c" in refused.json()["detail"]) == (409, True)
    await api.call("DELETE", "/campaigns/c")
    assert (await api.call("DELETE", "/templates/cart")).status_code == 204
    versions: Any = await api.get("/templates/cart/versions")
    assert [each["version"] for each in versions["versions"]] == [1]
