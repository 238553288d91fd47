"""What a destination is to be told of somebody, by what it was told last and where they are now."""

from __future__ import annotations

from typing import Any

import pytest

from activation.audiences.model import Names, calls, rows
from activation.kinds import KINDS
from activation.model import Delivery, Destination, body, delivery_id
from activation.shaping import shaped
from activation.syncing.model import FIRST_LOAD, Run, Somebody, Told, Way, subscribed, wanted

WHO, OTHER = b"a" * 16, b"b" * 16
RUN = Run(7, "crm", FIRST_LOAD, False, ("buyers", "late"), "members", 0, b"", 0, 2, 0, 0, 50)
CRM = Destination("crm", "webhook", {})
NOW = 1000
IN, OUT = Way(5, WHO, 100, "e" * 32), Way(6, WHO, 200, "timer")


def told(kind: Any, state: Any, at: int = 150) -> Told:
    return Told(b"t" * 16, OTHER, kind, state, at)


def of(who: Somebody, run: Run = RUN) -> list[tuple[str, bytes, int]]:
    found = wanted(run, CRM, "analytics", [who], NOW)
    return [(each.kind, each.id, each.at) for each in found.new] + [
        ("again", each, 0) for each in found.again
    ]


def own(run: Run) -> bytes:
    return delivery_id("crm", f"sync/{run.number}/buyers/{WHO.hex()}")


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, [("entered", delivery_id("crm", 5), 100)]),
        (told("left", "sent", 90), [("entered", delivery_id("crm", 5), 100)]),
        (told("left", "sent", 150), [("entered", own(RUN), 150)]),
        (told("entered", "parked"), [("again", b"t" * 16, 0)]),
        (told("entered", "refused"), [("again", b"t" * 16, 0)]),
        *((told("entered", state), []) for state in ("sent", "retrying", "sending", "requested")),
    ],
)
def test_who_is_in(last: Told | None, expected: list[tuple[str, bytes, int]]) -> None:
    assert of(Somebody(WHO, 100, last, IN)) == expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, []),
        (told("entered", "sent"), [("left", delivery_id("crm", 6), 200)]),
        (told("entered", "parked"), [("left", delivery_id("crm", 6), 200)]),
        (told("entered", "sent", 300), [("left", own(RUN), NOW)]),
        (told("entered", "refused"), []),
        (told("left", "sent"), []),
        (told("left", "parked"), [("again", b"t" * 16, 0)]),
    ],
)
def test_who_is_not_in(last: Told | None, expected: list[tuple[str, bytes, int]]) -> None:
    assert of(Somebody(WHO, None, last, OUT)) == expected


def test_who_was_erased_is_not_told_of() -> None:
    gone = OUT._replace(cause="erased")
    assert of(Somebody(WHO, None, told("entered", "sent"), gone)) == []


def test_who_came_in_with_an_identifier_has_no_entry_of_their_own() -> None:
    assert of(Somebody(WHO, 80, None, None)) == [("entered", own(RUN), 80)]


def test_everybody_again_is_told_under_new_ids() -> None:
    whole = RUN._replace(whole=True, number=8)
    for last in (None, told("entered", "sent"), told("left", "sent")):
        assert of(Somebody(WHO, 100, last, IN), whole) == [
            ("entered", own(whole), 150 if last else 100)
        ]


def test_consent_is_asked_for_as_of_any_entry() -> None:
    by_mail = Destination("crm", "webhook", {}, purpose="marketing_email", channel="email")
    entry, leave = Somebody(WHO, 100, None, IN), Somebody(WHO, None, told("entered", "sent"), OUT)
    found = wanted(RUN, by_mail, "analytics", [entry, leave], NOW)
    assert [each.purpose for each in found.new] == ["marketing_email.email", "necessary"]


def test_a_run_goes_through_its_segments() -> None:
    assert (RUN.segment, RUN.next().segment, RUN.next().state) == ("buyers", "late", "members")
    assert RUN.next().next().state == "done"


def test_which_segments_a_destination_hears_of() -> None:
    keys = ["buyers", "late"]
    some = Destination("crm", "webhook", {}, segments=("late", "gone"))
    off = Destination("crm", "webhook", {}, enabled=False)
    assert [subscribed(each, keys) for each in (CRM, some, off)] == [{*keys}, {"late"}, set()]


VIEW = {
    "profile_id": "p",
    "identifiers": {"user_id": ["ada"], "email": ["a@example.com"]},
    "traits": {"plan": "pro"},
    "computed": {"worth": 51.2, "other": 1},
}
SETTINGS = {
    "identifiers": {"mail": "email", "phone": "phone"},
    "computed": {"ltv": "worth", "none": "unknown"},
}


def test_only_what_is_named_leaves_by_the_names_there() -> None:
    assert shaped({}, VIEW) is VIEW
    entered = Delivery(b"d" * 16, "crm", WHO, "buyers", "entered", 1, "analytics")
    view = shaped(SETTINGS, VIEW)
    data = body(entered, view, {})["data"]
    assert data["identifiers"] == {"mail": ["a@example.com"]}
    assert data["computed"] == {"ltv": 51.2, "none": None}
    left = body(entered._replace(kind="left"), view, {})["data"]
    assert (left["computed"], left["identifiers"]) == ({}, {"mail": ["a@example.com"]})
    assert "computed" not in body(entered, VIEW, {})["data"]
    (row,) = rows(entered, view, Names({"tier": "plan"}, {"ltv": "worth"}))
    assert row.traits == {"tier": "pro", "ltv": "51.2"}


def test_a_name_is_given_once() -> None:
    said = {"kind": "file", "folder": "a", "traits": {"x": "a"}, "computed": {"x": "b"}}
    problems = KINDS["file"].form().validate(said)
    assert problems == {"computed": {"x": ["Must be a name that is not taken: traits has it."]}}


def test_an_update_says_what_is_known_now_and_no_move() -> None:
    updated = Delivery(b"d" * 16, "crm", WHO, "buyers", "updated", 1, "analytics")
    view = shaped(SETTINGS, VIEW)
    said = body(updated, view, {})
    assert (said["type"], said["data"]["computed"]["ltv"]) == ("segment.updated", 51.2)
    (row,) = rows(updated, view, Names({"tier": "plan"}, {"ltv": "worth"}))
    assert (row.member, row.since, row.traits) == (True, None, {"tier": "pro", "ltv": "51.2"})
    (call,) = calls(updated, view, Names({"tier": "plan"}, {"ltv": "worth"}))
    assert (call["type"], call["traits"]) == (
        "identify",
        {"tier": "pro", "ltv": 51.2, "none": None},
    )
