"""Where webhooks may not go, however the address is written."""

from __future__ import annotations

import pytest
from marshmallow import ValidationError

from activation.addresses import is_forbidden, is_forbidden_host
from activation.kinds.webhook import WebhookDestination

NEVER = [
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    *("0.0.0.0", "255.255.255.255", "224.0.0.1", "fe80::1", "fe80::1%eth0", "::", "ff02::1"),
    *("fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"),
]
PRIVATE = [
    *("127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1"),
    *("fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:a00:1::"),
]
PUBLIC = ["93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]


@pytest.mark.parametrize("address", NEVER)
def test_what_is_never_reached(address: str) -> None:
    assert is_forbidden(address, private=True)
    assert is_forbidden(address, private=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_reached_unless_the_settings_say_no(address: str) -> None:
    assert not is_forbidden(address, private=True)
    assert is_forbidden(address, private=False)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_always_reached(address: str) -> None:
    assert not is_forbidden(address, private=True)
    assert not is_forbidden(address, private=False)


def test_a_destination_that_can_never_be_reached_is_refused_at_once() -> None:
    form = WebhookDestination()
    for host in ("169.254.169.254", "[fe80::1]", "0.0.0.0", "[64:ff9b::a9fe:a9fe]"):
        with pytest.raises(ValidationError, match="never"):
            form.load({"kind": "webhook", "url": f"http://{host}/latest/meta-data"})
    assert form.load({"kind": "webhook", "url": "http://127.0.0.1:9/x"})
    assert not is_forbidden_host("hooks.example.com")
