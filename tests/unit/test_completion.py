"""What is filled in: the clock, the batch's own fields, the request's address and headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp import times
from cdp.collect.normalise import MAX_NAME, decoded_anonymous_id, masked_ip
from cdp.events import decode, encode
from tests.unit.test_normalise import NOW, TRACK, made, refusal, track


@pytest.mark.parametrize(
    ("original", "sent", "expected"),
    [
        (None, None, NOW),
        (NOW - 5_000_000, None, NOW - 5_000_000),
        (NOW - 3_600_000_000, NOW - 3_599_000_000, NOW - 1_000_000),  # its clock is an hour slow
        (NOW + 3_600_000_000, NOW + 3_602_000_000, NOW - 2_000_000),  # or fast
        (None, NOW - 9_000_000, NOW),
        (NOW + 2_000_000, NOW + 1_000_000, NOW + 1_000_000),
        (0, NOW, 0),
        (NOW, 0, 2 * NOW),
        (times.parse("9999-12-31T23:59:59Z"), 0, times.parse("9999-12-31T23:59:59.999999Z")),
        (0, times.parse("9999-12-31T23:59:59Z"), 0),
    ],
)
def test_the_clients_clock_is_corrected(
    original: int | None, sent: int | None, expected: int
) -> None:
    told = {"timestamp": original, "sentAt": sent}
    fields = {name: times.iso(at) for name, at in told.items() if at is not None}
    event = track(**fields)
    assert (event.timestamp, event.original_timestamp, event.sent_at) == (expected, original, sent)
    assert event.at == min(expected, NOW)
    enveloped = made({**TRACK, **fields, "sentAt": None}, sent_at=fields.get("sentAt"))
    assert enveloped.timestamp == expected


INSTANTS = st.integers(0, times.parse("9999-12-31T23:59:59.999999Z"))


@given(INSTANTS, INSTANTS)
def test_any_two_times_give_one_that_can_be_told_and_stored(original: int, sent: int) -> None:
    event = track(timestamp=times.iso(original), sentAt=times.iso(sent))
    assert times.parse(times.iso(event.timestamp)) == event.timestamp
    assert 0 <= event.at <= NOW
    assert decode(encode(event)) == event


def test_the_messages_own_times_come_first() -> None:
    event = track(originalTimestamp="2026-11-22T09:00:00Z", timestamp="2026-11-22T08:00:00Z")
    assert times.iso(event.timestamp) == "2026-11-22T09:00:00.000000Z"
    event = made(
        {**TRACK, "originalTimestamp": "", "timestamp": 1_700_000_000, "sentAt": 1_700_000_001},
        sent_at="2026-11-22T10:00:00Z",
    )
    assert event.timestamp == NOW - times.SECOND


@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp", "sentAt"])
@pytest.mark.parametrize(
    "wrong", ["0000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "tomorrow", True, False, [], {}, -1]
)
def test_what_is_no_time_is_refused(field: str, wrong: object) -> None:
    assert refusal({**TRACK, field: wrong})[0] == field


def test_a_batches_time_is_checked_too() -> None:
    assert refusal(TRACK, sent_at="tomorrow")[0] == "sentAt"
    assert refusal(TRACK, sent_at=[1])[0] == "sentAt"
    assert made(TRACK, sent_at="").sent_at is None


def test_a_batch_speaks_for_messages_that_do_not_speak_for_themselves() -> None:
    shared = {"context": {"app": 1, "library": "batch"}, "integrations": {"All": True, "X": 1}}
    own = {"context": {"library": "own"}, "integrations": {"All": False}}
    event = made({**TRACK, **own}, **shared)
    assert event.context == {"app": 1, "library": "own"}
    assert event.integrations == {"All": False, "X": 1}
    assert shared["context"] == {"app": 1, "library": "batch"}


def test_the_request_fills_in_what_the_message_leaves_out() -> None:
    filled = made(TRACK, anonymous_id="header", ip="203.0.113.9", gpc=True)
    assert filled.anonymous_id == "header"
    assert filled.context == {"ip": "203.0.113.9", "consent": {"gpc": True}}
    own = {
        "anonymousId": "own",
        "context": {"ip": "192.0.2.1", "consent": {"categoryPreferences": {"Ads": True}}},
    }
    kept = made({**TRACK, **own}, anonymous_id="header", ip="203.0.113.9", gpc=True)
    assert kept.anonymous_id == "own"
    assert kept.context["ip"] == "192.0.2.1"
    assert kept.context["consent"] == {"categoryPreferences": {"Ads": True}, "gpc": True}
    marked = made({**TRACK, "context": {"gpc": True}})  # as the log has those after the first
    assert marked.context == {"consent": {"gpc": True}}
    assert made({**TRACK, "context": {"gpc": "1"}}).context == {"gpc": "1"}
    assert made({**TRACK, "context": {"ip": 5, "consent": 5}}, gpc=True).context["consent"] == {
        "gpc": True
    }


@pytest.mark.parametrize(
    ("policy", "kept"),
    [("", "192.0.2.77"), ("keep", "192.0.2.77"), ("stripLastOctet", "192.0.2.0"), ("remove", None)],
)
def test_the_ip_policy_holds_for_the_messages_own_address_too(policy: str, kept: str) -> None:
    event = track(context={"ip": "192.0.2.77"})
    assert event.context == {"ip": "192.0.2.77"}
    masked = made({**TRACK, "context": {"ip": "192.0.2.77"}}, ip_policy=policy)
    assert masked.context.get("ip") == kept


@pytest.mark.parametrize(
    ("ip", "masked"),
    [
        ("198.51.100.23", "198.51.100.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("not an address", ""),
    ],
)
def test_the_last_octet_is_stripped(ip: str, masked: str) -> None:
    assert masked_ip(ip, "stripLastOctet") == masked


@pytest.mark.parametrize(
    ("header", "anonymous_id"),
    [
        (None, ""),
        ("", ""),
        ("YW5vbi0x", "anon-1"),
        ("w6k=", "\u00e9"),
        ("3f1c-not-base64", "3f1c-not-base64"),
        ("/////w==", "/////w=="),
        ("x" * 600, "x" * MAX_NAME),
    ],
)
def test_rudderstacks_header_is_base64(header: str | None, anonymous_id: str) -> None:
    assert decoded_anonymous_id(header) == anonymous_id
