"""Every rule of a field, and what is filled in: from a message to an event, or to a reason."""

from __future__ import annotations

from typing import Any

import pytest

from cdp import times
from cdp.collect.normalise import MAX_MESSAGE_ID, MAX_NAME, Arrival, Refused, normalise
from cdp.events import Event

NOW = times.parse("2026-11-22T10:00:00Z")
TRACK = {"type": "track", "event": "Order Completed", "messageId": "m-1"}


def made(fields: dict[str, Any], **arrival: Any) -> Event:
    arrived = Arrival(source=7, received_at=NOW, kind=arrival.pop("kind", ""))._replace(**arrival)
    return normalise(fields, arrived, lambda plain: plain[:16].ljust(16), lambda: "new")


def track(**fields: Any) -> Event:
    return made({**TRACK, **fields})


def refusal(fields: dict[str, Any], **arrival: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        made(fields, **arrival)
    field, _, reason = str(caught.value).partition(": ")
    assert field == caught.value.field
    return field, reason


def test_a_message_becomes_an_event() -> None:
    event = made(
        {
            **TRACK,
            "userId": "u",
            "anonymousId": "a",
            "timestamp": "2026-11-22T09:59:58.500Z",
            "properties": {"revenue": 51.2},
            "context": {"page": {"path": "/"}},
            "integrations": {"All": False},
            "writeKey": "secret",
            "receivedAt": "1999-01-01T00:00:00Z",
            "version": 2,
        }
    )
    assert (event.type, event.name, event.message_id, event.source) == (
        "track",
        "Order Completed",
        "m-1",
        7,
    )
    assert (event.user_id, event.anonymous_id) == ("u", "a")
    assert (event.timestamp, event.received_at) == (NOW - 1_500_000, NOW)
    assert (event.properties, event.integrations) == ({"revenue": 51.2}, {"All": False})
    assert event.context == {"page": {"path": "/"}}
    assert event.extra == {"version": 2}  # nothing is lost, and the key is not kept
    assert event.id == b"7\x00m-1".ljust(16)


@pytest.mark.parametrize("kind", ["track", "identify", "page", "screen", "group", "alias", "merge"])
def test_the_route_or_the_message_says_what_it_is(kind: str) -> None:
    needed = {"event": "e", "groupId": "g", "previousId": "p", "mergeProperties": []}
    assert made({"type": kind, **needed}).type == kind
    assert made(needed, kind=kind).type == kind
    assert made({"type": "identify", **needed}, kind=kind).type == kind


@pytest.mark.parametrize("kind", [None, "", "Track", "consent", "delete", 7, ["track"], {}])
def test_any_other_type_is_refused(kind: object) -> None:
    field, reason = refusal({**TRACK, "type": kind})
    assert (field, reason[:14]) == ("type", "must be one of")


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("track", "event"),
        ("group", "groupId"),
        ("alias", "previousId"),
        ("merge", "mergeProperties"),
    ],
)
@pytest.mark.parametrize("absent", [{}, None, ""])
def test_what_a_call_needs(kind: str, field: str, absent: object) -> None:
    fields = {"type": kind} if absent == {} else {"type": kind, field: absent}
    assert refusal(fields)[0] == field
    assert "is missing" in refusal(fields)[1]


def test_merged_identifiers_come_in_a_list() -> None:
    assert refusal({"type": "merge", "mergeProperties": {"type": "email"}}) == (
        "mergeProperties",
        "must be a list of objects with type and value",
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("u-1", "u-1"),
        (" u ", " u "),
        (42, "42"),
        (0, "0"),
        (-7, "-7"),
        (42.0, "42"),
        (4.5, "4.5"),
        (1 << 60, str(1 << 60)),
        (1e300, "1e+300"),
        ("x\x00y", "x\x00y"),
        ("\U0001f600" * 100, "\U0001f600" * 100),
    ],
)
def test_ids_and_names_are_strings_or_numbers(value: object, text: str) -> None:
    event = track(userId=value, anonymousId=value, groupId=value, messageId=value, event=value)
    assert (event.user_id, event.anonymous_id, event.group_id) == (text, text, text)
    assert (event.message_id, event.name) == (text, text)
    assert made({"type": "alias", "previousId": value}).previous_id == text


@pytest.mark.parametrize("absent", [None, ""])
def test_ids_may_be_absent_null_or_empty(absent: object) -> None:
    event = track(userId=absent, anonymousId=absent, messageId=absent, previousId=absent)
    assert (event.user_id, event.anonymous_id, event.previous_id) == ("", "", "")
    assert event.message_id == "new"
    assert made({"type": "page"}).message_id == "new"


@pytest.mark.parametrize("field", ["userId", "anonymousId", "previousId", "messageId", "event"])
def test_ids_of_another_type_are_refused(field: str) -> None:
    for wrong in (True, False, [], {}, ["u"], {"id": "u"}):
        assert refusal({**TRACK, field: wrong}) == (field, "must be a string or a number")


def test_ids_have_a_limit() -> None:
    assert track(messageId="m" * MAX_MESSAGE_ID).message_id == "m" * 100
    assert refusal({**TRACK, "messageId": "m" * 101}) == (
        "messageId",
        "has 101 characters; the limit is 100",
    )
    for field in ("userId", "anonymousId", "event"):
        assert track(**{field: "x" * MAX_NAME})
        assert refusal({**TRACK, field: "x" * (MAX_NAME + 1)})[0] == field


@pytest.mark.parametrize("field", ["properties", "traits", "context", "integrations"])
def test_objects_are_objects_or_absent(field: str) -> None:
    assert getattr(track(**{field: None}), field) == {}
    assert getattr(track(**{field: {"a": [1]}}), field) == {"a": [1]}
    for wrong in ("text", 5, True, False, [], [{}], 0, ""):
        assert refusal({**TRACK, field: wrong}) == (field, "must be an object")
