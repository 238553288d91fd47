"""A call in a picture's address: base64 of any habit, or fields with dots in their names."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from cdp.collect.pixel import GIF, message

CALL = {"userId": "u?>", "event": "E-mail Opened", "properties": {"n": 1, "t": "~\u00fc~"}}
TEXT = json.dumps(CALL, ensure_ascii=False).encode()


def decoded(*query: tuple[str, str]) -> Any:
    return json.loads(message(query))


@pytest.mark.parametrize(
    "data",
    [
        base64.b64encode(TEXT).decode(),
        base64.b64encode(TEXT).decode().rstrip("="),
        base64.urlsafe_b64encode(TEXT).decode(),
        base64.b64encode(TEXT).decode().replace("+", " "),  # a plus that a query made a space
    ],
)
def test_data_is_base64_in_any_spelling(data: str) -> None:
    assert decoded(("data", data), ("writeKey", "k")) == CALL


def test_data_that_is_no_base64_is_left_to_be_refused() -> None:
    assert message([("data", "%%%")]) == b"%%%"


def test_a_plain_query_names_fields_with_dots() -> None:
    assert decoded(
        ("userId", "u"), ("properties.plan", "pro"), ("properties.a.b", "1"), ("event", "Opened")
    ) == {"userId": "u", "properties": {"plan": "pro", "a": {"b": "1"}}, "event": "Opened"}


def test_odd_names_do_no_harm() -> None:
    assert decoded(("a", "1"), ("a.b", "2")) == {"a": "1"}
    assert decoded(("a.b", "2"), ("a", "1")) == {"a": "1"}
    assert decoded(("", "1"), (".", "2")) == {"": "1"}
    assert decoded(("a", "1"), ("a", "2")) == {"a": "2"}
    assert decoded() == {}
    deep = message([(".".join("a" * 5000), "x")])
    assert deep.count(b"{") == 20


def test_the_picture_is_a_gif_of_one_pixel() -> None:
    assert GIF.startswith(b"GIF89a\x01\x00\x01\x00")
    assert GIF.endswith(b";")
