"""A destination's URL: what the form takes can be sent to, what it refuses is told why."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from activation.kinds import KINDS
from activation.kinds.webhook import WebhookDestination
from activation.schema import URL
from cdp.api import samples


def taken(url: object) -> bool:
    try:
        WebhookDestination().load({"kind": "webhook", "url": url})
    except ValidationError as error:
        assert set(error.messages_dict) == {"url"}
        return False
    return True


@given(st.from_regex(URL.regex, fullmatch=True))
def test_a_url_that_is_taken_has_a_host_and_a_port(url: str) -> None:
    if taken(url):
        read = httpx.URL(url)
        assert read.host
        assert read.port is None or 1 <= read.port <= 65_535


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/hook",
        "https://hooks.example.com/cdp?tenant=1",
        "http://localhost",
        "http://[::1]:8080/",
        "https://crm.internal:65535",
    ],
)
def test_ordinary_urls_are_taken(url: str) -> None:
    assert taken(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        5,
        "hooks.example.com",
        "ftp://hooks.example.com",
        "https://user:secret@hooks.example.com",
        "https://hooks.example.com:0",
        "https://hooks.example.com:65536",
        "https://999.1.1.1/",
        "https://[::::]/",
        "https://hooks.example.com/\r\nx: y",
        "https://hooks.example.com/" + "x" * 2000,
    ],
)
def test_others_are_not(url: object) -> None:
    assert not taken(url)


def test_every_setting_of_every_kind_is_shown_in_the_description() -> None:
    for kind in KINDS.values():
        shown = {name for name, each in kind.form().fields.items() if not each.load_only}
        assert shown <= samples.DESTINATION.keys()
