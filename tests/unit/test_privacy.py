"""Privacy requests, purely: deadlines, tries, and which refused messages name somebody."""

from __future__ import annotations

import msgspec
import pytest

from cdp.collect.visits import Kept
from cdp.events import Identifier
from cdp.log.quarantine import Quarantined, Refusal
from cdp.privacy.model import due, wait_seconds
from cdp.privacy.quarantined import names
from cdp.times import SECOND

DAY = 86_400 * SECOND
ADA = [Identifier("user_id", "42"), Identifier("email", "ada@example.com")]


@pytest.mark.parametrize(
    ("codes", "home", "days"),
    [
        ((), "", 30),
        ((), "DE", 30),
        ((), "US-CA", 45),
        (("US-CA",), "DE", 45),
        (("US-CA", "US-VA"), "", 45),
        (("US-CA", "FR"), "", 30),
        (("ZZ",), "US-CA", 30),
    ],
)
def test_the_shortest_time_that_may_hold_counts(
    codes: tuple[str, ...], home: str, days: int
) -> None:
    assert due(1, codes, home) == 1 + days * DAY


def test_tries_are_ever_further_apart_up_to_an_hour() -> None:
    waits = [wait_seconds(attempts) for attempts in range(1, 40)]
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == 3600
    assert waits == sorted(waits)


def refused(raw: bytes, **envelope: object) -> Quarantined:
    kept = Kept(raw, "track", dict(envelope), "", "", False, [], "")
    body = msgspec.msgpack.encode(kept)
    return Quarantined(1, Refusal(b"r", 1, b"", 0, "", "", "", body))


@pytest.mark.parametrize(
    ("raw", "is_theirs"),
    [
        (b'{"userId": "42"}', True),
        (b'{"userId": 42}', True),
        (b'{"properties": {"deep": [{"mail": " ADA@Example.com "}]}}', True),
        (b'{"ada@example.com": 1}', True),
        (b'{"userId": "421", "text": "42 things of ada@example.com.de"}', False),
        (b'{"n": 42.5, "yes": true, "no": null}', False),
        (b"{broken: 42", False),
        (b"{broken: <Ada@example.com>", True),
        (b"{broken: xada@example.com", False),
        (b"\xff\xfe ada@example.com", True),
    ],
)
def test_a_refused_message_names_somebody_if_a_text_in_it_is_their_name(
    raw: bytes, is_theirs: bool
) -> None:
    assert names(refused(raw), ADA) is is_theirs


def test_what_came_beside_the_message_counts_too() -> None:
    assert names(refused(b"{}", context={"traits": {"email": "ada@example.com"}}), ADA)
    assert not names(refused(b"{}", context={"traits": {"email": "bob@example.com"}}), ADA)
