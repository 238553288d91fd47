"""Audiences as rows, files and calls; and the signature that S3 takes."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from activation.audiences.formats import encoded
from activation.audiences.model import Names, batch_id, calls, rows
from activation.audiences.signing import Access, Put, path_of, signed
from activation.kinds.segment import _fitting
from activation.model import Delivery, Kind
from cdp.times import SECOND

WHO = uuid.UUID(int=7)
AT = 1_768_469_400 * SECOND
VIEW: dict[str, Any] = {
    "profile_id": str(WHO),
    "identifiers": {"user_id": ["ada"], "email": ["ada@example.com"]},
    "traits": {"email": "ada@example.com", "tags": ["a", "b"], "other": 1},
}
NAMES = Names({"mail": "email", "tags": "tags", "missing": "no_such"}, {})
GONE = {"request": "r", "profile_ids": ["p1", "p2"], "identifiers": {"anonymous_id": ["a", "b"]}}


def delivery(kind: Kind, number: int = 1) -> Delivery:
    return Delivery(number.to_bytes(16), "crm", WHO.bytes, "buyers", kind, AT, "analytics")


def test_only_named_traits_leave_and_none_of_who_left() -> None:
    (entered,) = rows(delivery("entered"), VIEW, NAMES)
    assert entered.traits == {"mail": "ada@example.com", "tags": '["a","b"]', "missing": None}
    (left,) = rows(delivery("left"), VIEW, NAMES)
    assert left.traits == dict.fromkeys(NAMES.columns)
    assert (entered.member, left.member) == (True, False)
    assert (entered.since, entered.left_at, left.since, left.left_at) == (AT, None, None, AT)


def test_an_erasure_names_everybody_that_was_told() -> None:
    found = rows(delivery("erased"), GONE, NAMES)
    assert [row.profile_id for row in found] == ["p1", "p2"]
    assert {row.member for row in found} == {None}


def test_who_is_nobody_any_more_can_still_leave() -> None:
    (row,) = rows(delivery("left"), {"profile_id": str(WHO)}, NAMES)
    assert (row.profile_id, row.identifiers) == (str(WHO), {})
    identify, track = calls(delivery("left"), {"profile_id": str(WHO)}, NAMES)
    assert identify["anonymousId"] == track["anonymousId"] == str(WHO)


def test_columns_are_the_same_whoever_is_in_the_file() -> None:
    for kind, view in (("entered", VIEW), ("left", VIEW), ("erased", GONE)):
        found = rows(delivery(kind), view, NAMES)  # type: ignore[arg-type]
        written = encoded("csv", found, NAMES.columns).decode()
        lines = list(csv.DictReader(io.StringIO(written)))
        plain = [json.loads(line) for line in encoded("ndjson", found, NAMES.columns).splitlines()]
        for line, row in zip(lines, plain, strict=True):
            assert list(line) == list(row)
            assert json.loads(line["identifiers"]) == row["identifiers"]


@pytest.mark.parametrize(
    ("view", "who"),
    [
        (VIEW, [{"userId": "ada"}]),
        (GONE, [{"anonymousId": "a"}, {"anonymousId": "b"}]),
        ({"profile_ids": ["p1"]}, [{"anonymousId": "p1"}]),
    ],
)
def test_an_erasure_is_told_of_everybody(view: dict[str, Any], who: list[dict[str, str]]) -> None:
    said = calls(delivery("erased"), {"profile_ids": ["p1"]} | view, NAMES)
    assert [call["event"] for call in said] == ["Person Erased"] * len(who)
    assert [{k: v for k, v in call.items() if k in who[0]} for call in said] == who
    assert len({call["messageId"] for call in said}) == len(who)


def test_calls_keep_what_a_trait_is() -> None:
    identify, track = calls(delivery("entered"), VIEW, NAMES)
    assert identify["traits"] == {"mail": "ada@example.com", "tags": ["a", "b"], "buyers": True}
    assert track["properties"]["audience_key"] == "buyers"
    assert {each["type"] for each in track["context"]["externalIds"]} == {"user_id", "email"}


def test_the_same_deliveries_make_the_same_file() -> None:
    one, other = delivery("entered", 1), delivery("left", 2)
    assert batch_id([one, other]) == batch_id([one._replace(attempts=3), other])
    assert batch_id([one]) != batch_id([one, other])


def test_a_request_holds_what_it_may_and_one_delivery_at_least() -> None:
    said = [[{"n": "x" * size}] for size in (1000, 500_000, 1000, 1000)]
    parts: Sequence[Any] = list(_fitting(said))
    assert [call for part in parts for call in part] == said
    assert [len(part) for part in parts] == [1, 1, 2]


def test_the_signature_is_what_botocore_comes_to() -> None:
    """botocore 1.x, S3SigV4Auth, for the same request at the same time."""
    access = Access(
        "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "eu-central-1"
    )
    path = path_of("lake", "a/date=2026-01-15/x.ndjson")
    assert path == "/lake/a/date%3D2026-01-15/x.ndjson"
    put = Put("store.example:9000", path, b'{"id":1}\n')
    told = signed(access, put, "20260115T093000Z")["authorization"]
    assert told.endswith("4a35532ae4b7f1948ade94deb60e510576c34af779a90dcc63103ac3cfba2080")
