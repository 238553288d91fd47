"""E-mails that come back are facts of whom they were to, and a lasting one ends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Api
from tests.integration.test_email import ADA, ada, connect, say, send
from tests.support.smtp import Mailbox, mailing
from tests.unit.test_mail_reports import report, status


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailing() as found:
        yield found


NOT_OURS = "<00000000-0000-0000-0000-000000000000@y.example>"


async def sent(api: Api, box: Mailbox) -> str:
    """A message to Ada; returns what it looked like."""
    await connect(api, box)
    await say(api)
    await ada(api)
    assert (await send(api))["state"] == "sent"
    return box.raw[-1].decode()


async def count(api: Api, name: str) -> int:
    await api.settle()
    found: Any = await api.get("/profiles/user_id:ada")
    return int(found["events"].get(name, 0))


async def test_a_lasting_bounce_is_a_fact_once_and_suppresses(api: Api, box: Mailbox) -> None:
    raw = report("delivery-status", status("5.1.1"), await sent(api, box))
    headers = {"content-type": "message/rfc822"}
    key = {"authorization": f"Bearer {api.instance.keys['api_key']}"}
    answers = [
        await api.client.post("/api/v1/bounces", content=raw, headers=headers | key)
        for _ in range(2)
    ]
    assert [each.status_code for each in answers] == [200, 200], answers[0].text
    assert [each.json()["suppressed"] for each in answers] == [True, False]
    assert await count(api, "Email Bounced") == 1
    entry = await send(api)
    assert (entry["state"], entry["consent"]["because"]) == ("refused", "suppressed")
    assert len(box.raw) == 1


async def test_a_full_mailbox_is_a_fact_and_no_more(api: Api, box: Mailbox) -> None:
    await sent(api, box)
    said = {"message_id": box.messages[0]["message-id"], "type": "bounced", "status": "5.2.2"}
    answer = await api.call("POST", "/bounces", json=said)
    assert answer.json()["suppressed"] is False, answer.text
    assert await count(api, "Email Bounced") == 1
    assert (await send(api))["state"] == "sent"


async def test_a_complaint_of_a_provider(api: Api, box: Mailbox) -> None:
    await sent(api, box)
    said = {"message_id": box.messages[0]["message-id"], "type": "complained"}
    assert (await api.call("POST", "/bounces", json=said)).json()["suppressed"] is True
    assert await count(api, "Email Marked as Spam") == 1
    assert ADA not in str((await api.get("/deliveries"))["deliveries"])


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"message_id": "<x@y.example>", "type": "bounced"}, 400),
        (
            {"message_id": NOT_OURS, "type": "bounced"},
            404,
        ),
        ({"message_id": "<x@y.example>", "type": "opened"}, 400),
    ],
)
async def test_what_we_did_not_send_changes_nothing(
    api: Api, said: dict[str, str], code: int
) -> None:
    assert (await api.call("POST", "/bounces", json=said)).status_code == code
