"""The demo's receiver takes what Standard Webhooks' own library signs, and nothing else."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from cdp.demo.receiver import Receiver, is_signed

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
AT = 1_700_000_000
PAYLOAD = b'{"type":"segment.entered"}'


def headers(at: int = AT, secret: str = SECRET) -> dict[str, str]:
    told = Webhook(secret).sign("msg_1", datetime.fromtimestamp(at, UTC), PAYLOAD.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": told}


def test_a_right_signature_among_others() -> None:
    assert is_signed(SECRET, headers(), PAYLOAD, AT)
    several = headers()
    several["webhook-signature"] = "v2,x v1,A v1,AAAA " + several["webhook-signature"]
    assert is_signed(SECRET, several, PAYLOAD, AT)


@pytest.mark.parametrize(
    ("change", "payload", "now"),
    [
        ({}, PAYLOAD + b" ", AT),
        ({}, PAYLOAD, AT + 301),
        ({"webhook-id": "msg_2"}, PAYLOAD, AT),
        ({"webhook-timestamp": str(AT + 1)}, PAYLOAD, AT),
        ({"webhook-timestamp": "now"}, PAYLOAD, AT),
        ({"webhook-signature": ""}, PAYLOAD, AT),
        (headers(secret="whsec_" + base64.b64encode(b"x" * 32).decode()), PAYLOAD, AT),
    ],
)
def test_anything_else_is_not(change: dict[str, str], payload: bytes, now: int) -> None:
    assert not is_signed(SECRET, headers() | change, payload, now)


def test_it_notes_what_came_in() -> None:
    now = int(datetime.now(UTC).timestamp())
    with Receiver() as receiver:
        url = receiver.url("shop")
        signed = headers(now, receiver.secret)
        assert httpx.post(url, content=PAYLOAD, headers=signed, trust_env=False).is_success
        assert httpx.post(url, content=PAYLOAD, trust_env=False).status_code == 400
        hook = receiver.wait_for(lambda hook: hook.verified, 1.0)
        assert [(each.destination, each.verified) for each in receiver.hooks] == [
            ("shop", True),
            ("shop", False),
        ]
        assert receiver.wait_for(lambda hook: hook.destination == "no", 0.01) is None
    assert hook is not None
    assert hook.body == {"type": "segment.entered"}
