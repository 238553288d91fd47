"""Bodies taken apart: what is JSON is taken or quarantined, only what is not JSON is a 400."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdp.collect.wire import MAX_BATCH, MAX_EVENT, Body, parse
from cdp.errors import Invalid

GOOD = b'{"type":"page","messageId":"good"}'


def batch_of(*elements: bytes, more: bytes = b"") -> bytes:
    return b'{"batch":[' + b",".join(elements) + b"]" + more + b"}"


def problems(body: Body) -> list[str]:
    return [message.problem for message in body.messages]


def nested(depth: int) -> bytes:
    """An object with `depth` brackets around each other."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def padded(size: int, **fields: Any) -> bytes:
    """A message of exactly this many bytes."""
    empty = json.dumps({"pad": "", **fields}).encode()
    return json.dumps({"pad": "x" * (size - len(empty)), **fields}).encode()


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"\xef\xbb\xbf",
        b"not json",
        b"{",
        b'{"event": "x"',
        b'{"event": }',
        b'{"event": "x",}',
        b'{"event": "x} ',
        b'{"event": "x"} trailing',
        b'{"event" "x"}',
        b'{"\\x": 1, "batch": []}',
        b"{[:1]}",
        b"[1, 2",
        b"{'event': 'x'}",
        b'{"a": tru}',
        b"[" * 10_000,
        b'{"batch": [{}, {}',
        b'{"batch": [{}, {}]',
        b'{"batch": [}]}',
        b'{"batch": [{}], "context": {broken}}',
        b'{"batch": 5x}',
        b'{"' + b'\\"' * 50_000,
    ],
)
def test_what_is_not_json_is_refused(body: bytes, batch: bool) -> None:
    with pytest.raises(Invalid, match="is not JSON"):
        parse(body, batch=batch)


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("body", [b"null", b"5", b'"text"', b"true", b"[]", b'[{"type":"page"}]'])
def test_json_that_is_no_object_is_one_broken_message(body: bytes, batch: bool) -> None:
    assert problems(parse(body, batch=batch)) == ["must be a JSON object"]


def test_a_byte_order_mark_and_space_around_are_no_harm() -> None:
    body = b"\xef\xbb\xbf \r\n" + GOOD + b"\n"
    assert parse(body, batch=False).messages[0].fields["messageId"] == "good"
    body = b"\xef\xbb\xbf" + batch_of(GOOD)
    assert parse(body, batch=True).messages[0].raw == GOOD


def test_a_batch_has_an_envelope_and_messages() -> None:
    more = b', "writeKey":"k","sentAt":"s","context":{"a":1},"integrations":{"All":true}, "x": 1'
    body = parse(batch_of(GOOD, b'{"type":"track"}', more=more), batch=True)
    assert body.envelope.write_key == "k"
    assert body.envelope.fields == {
        "writeKey": "k",
        "sentAt": "s",
        "context": {"a": 1},
        "integrations": {"All": True},
    }
    assert [message.fields["type"] for message in body.messages] == ["page", "track"]
    assert body.is_batch


def test_a_batch_is_a_batch_on_any_route_and_a_message_a_message() -> None:
    body = parse(batch_of(GOOD, GOOD), batch=False)
    assert (body.is_batch, len(body.messages)) == (True, 2)
    body = parse(GOOD, batch=True)
    assert (body.is_batch, problems(body)) == (False, [""])
    body = parse(b'{"type":"track","properties":{"batch":[1]},"batch":"7b"}', batch=False)
    assert (body.is_batch, body.messages[0].fields["batch"]) == (False, "7b")


@pytest.mark.parametrize("value", [b"5", b"null", b'"x"', b'{"0":{}}', b"NaN", b"true"])
def test_a_batch_that_is_no_list_is_one_broken_message_under_its_key(value: bytes) -> None:
    body = parse(b'{"writeKey":"k","batch":' + value + b"}", batch=True)
    assert [(m.field, m.problem) for m in body.messages] == [
        ("batch", "must be a list of messages")
    ]
    assert body.envelope.write_key == "k"


def test_an_empty_batch_has_no_messages() -> None:
    assert parse(b'{"batch":[ ]}', batch=True).messages == []


@pytest.mark.parametrize(
    ("element", "problem"),
    [
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e400}', "out of range"),
        (b'{"a": 1' + b"0" * 400 + b"}", "out of range"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "out of range"),
        (b'{"a": tru}', "is not JSON"),
        (b'{"a": "\\x"}', "is not JSON"),
        (b'{"a" 1}', "is not JSON"),
        (b'{"a": [1}', "is not JSON"),
        (b"", "is not JSON"),
        (nested(201), "nested deeper than 200"),
        (nested(10_000), "nested deeper than 200"),
        (padded(MAX_EVENT + 1), f"has {MAX_EVENT + 1} bytes"),
        (b"null", "must be a JSON object"),
        (b"[]", "must be a JSON object"),
        (b"17", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
    ],
)
def test_a_broken_message_never_loses_its_neighbours(element: bytes, problem: str) -> None:
    if element == b'{"a": [1}':  # its bracket is open: not even the end of the batch can be found
        element = b'{"a": 1]'
    body = parse(batch_of(GOOD, element, GOOD), batch=True)
    first, broken, last = body.messages
    assert (first.raw, first.problem) == (last.raw, last.problem) == (GOOD, "")
    assert first.fields == last.fields == {"type": "page", "messageId": "good"}
    assert problem in broken.problem
    assert (broken.raw, broken.fields) == (element, {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'"\\ud800"', "\ufffd"),
        (b'"a\\udc00b"', "a\ufffdb"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\xff\xfe"', "\ufffd\ufffd"),
        (b'"\\u0000"', "\x00"),
        (b'"a\x00\x01b"', "a\x00\x01b"),
        (b"18446744073709551615", (1 << 64) - 1),
        (b"-9223372036854775808", -(1 << 63)),
        (b"18446744073709551616", float(1 << 64)),
        (b"-9223372036854775809", float(-(1 << 63))),
        (b"123456789012345678901234567890", 1.2345678901234568e29),
        (b"1e308", 1e308),
        (b"0.1234567890123456789", 0.1234567890123456789),
        (b"1e-400", 0.0),
    ],
)
def test_odd_values_are_taken(text: bytes, value: object) -> None:
    raw = b'{"a":' + text + b"}"
    for body in (parse(raw, batch=False), parse(batch_of(GOOD, raw), batch=True)):
        message = body.messages[-1]
        assert (message.problem, message.fields) == ("", {"a": value})
        assert type(message.fields["a"]) is type(value)


def test_lone_surrogates_in_names_are_replaced_too() -> None:
    assert parse(b'{"\\ud800": {"\\udfff": 1}}', batch=False).messages[0].fields == {
        "\ufffd": {"\ufffd": 1}
    }


def test_depth_and_size_count_up_to_the_limit() -> None:
    assert problems(parse(nested(200), batch=False)) == [""]
    assert problems(parse(nested(201), batch=False)) == ["is nested deeper than 200"]
    assert problems(parse(b'{"a":"' + b"[" * 300 + b'"}', batch=False)) == [""]
    assert problems(parse(padded(MAX_EVENT), batch=False)) == [""]
    over = parse(padded(MAX_EVENT + 1, writeKey="k"), batch=False)
    assert problems(over) == ["has 32769 bytes; the limit is 32768"]
    assert over.envelope.write_key == "k"  # so that it is quarantined under its source


def test_messages_over_the_limit_of_a_batch_are_kept_in_one_piece() -> None:
    elements = [b'{"messageId":"%d"}' % number for number in range(MAX_BATCH + 3)]
    for damage in (b"", b',"x":NaN'):
        *taken, rest = parse(batch_of(*elements, more=damage), batch=True).messages
        assert len(taken) == MAX_BATCH
        assert not any(message.problem for message in taken)
        assert (rest.field, rest.raw) == ("batch", batch_of(*elements[MAX_BATCH:]))
        assert f"over {MAX_BATCH} messages" in rest.problem
    exact = parse(batch_of(*elements[:MAX_BATCH]), batch=True)
    assert (len(exact.messages), any(problems(exact))) == (MAX_BATCH, False)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (b',"context":{"a":NaN}', "context"),
        (b',"context":' + nested(201), "context"),
        (b',"context":{"pad":"' + b"x" * MAX_EVENT + b'"}', "context"),
        (b',"integrations":{"a":1e999}', "integrations"),
        (b',"sentAt":-Infinity', "sentAt"),
    ],
)
def test_a_batch_whose_own_fields_cannot_be_read_is_kept_whole(more: bytes, field: str) -> None:
    raw = batch_of(GOOD, GOOD, more=more + b',"writeKey":"k"')
    body = parse(raw, batch=True)
    assert [(message.raw, message.field) for message in body.messages] == [(raw, field)]
    assert body.envelope.write_key == "k"


def test_the_batches_own_fields_are_cleaned_like_messages() -> None:
    more = b',"context":{"n":123456789012345678901234567890,"t":"\\ud800"}'
    body = parse(batch_of(GOOD, more=more), batch=True)
    assert body.envelope.fields["context"] == {"n": 1.2345678901234568e29, "t": "\ufffd"}
