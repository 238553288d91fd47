"""When an event happened, as state counts it."""

from __future__ import annotations

import pytest

from cdp.events import SCHEMA, Event, decode, encode

S = 1_000_000
RECEIVED = 1_000 * S


def event(timestamp: int, original: int | None = None, sent: int | None = None) -> Event:
    return Event(
        SCHEMA,
        "track",
        b"e" * 16,
        1,
        "m",
        timestamp,
        RECEIVED,
        name="x",
        original_timestamp=original,
        sent_at=sent,
    )


@pytest.mark.parametrize(
    ("timestamp", "original", "sent", "at", "why"),
    [
        (900 * S, 900 * S, None, 900 * S, "nothing says otherwise"),
        (1_100 * S, 1_100 * S, None, RECEIVED, "nothing happens after it is received"),
        (999 * S, 998 * S, 999 * S, 998 * S, "a second on its way is no skewed clock"),
        (999 * S, 399 * S, 400 * S, 999 * S, "a clock ten minutes slow is corrected"),
        (999 * S, 1_599 * S, 1_600 * S, 999 * S, "and one ten minutes fast"),
        (995 * S, 990 * S, 995 * S, 995 * S, "five seconds may be either"),
    ],
)
def test_when_it_happened(
    timestamp: int, original: int | None, sent: int | None, at: int, why: str
) -> None:
    assert event(timestamp, original, sent).at == at, why


def test_two_messages_keep_their_order_though_the_first_waited_longer() -> None:
    first = event(RECEIVED - 100, original=RECEIVED - 800_000, sent=RECEIVED - 799_900)
    second = event(RECEIVED - 50_000, original=RECEIVED - 700_000, sent=RECEIVED - 650_000)
    assert first.timestamp > second.timestamp
    assert first.at < second.at


def test_the_stored_form_comes_back_as_it_was() -> None:
    made = event(1, 2, 3)
    assert decode(encode(made)) == made
