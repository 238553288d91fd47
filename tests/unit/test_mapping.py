"""What rows of the public datasets become, and what is said of rows that do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from cdp.importing import maps
from cdp.importing.mapping import CALLS, Planned, Problem, archived, planned, shifted
from cdp.importing.values import Broken, Moment, Value, instant, read

REES46 = {
    "event_time": "2019-10-01 00:00:04 UTC",
    "event_type": "cart",
    "product_id": "1306631",
    "category_id": "2053013558920217191",
    "category_code": "computers.notebook",
    "brand": "",
    "price": "251.74",
    "user_id": "550050854",
    "user_session": "7c90fc70",
}
SHOP = {
    "user_id": "user_0000",
    "session_id": "sess_000001",
    "event": "home",
    "timestamp": "2024-03-13 10:21:14",
    "platform": "desktop",
    "acquisition_channel": "email",
    "user_cohort": "2024-01",
    "user_lifecycle": "returning",
}


def calls(name: str, row: dict[str, Any]) -> list[dict[str, Any]]:
    return [each.fields for each in planned(maps.find(name), row) if isinstance(each, Planned)]


def problems(name: str, row: dict[str, Any]) -> list[str]:
    return [each.reason for each in planned(maps.find(name), row) if isinstance(each, Problem)]


def test_a_row_becomes_a_call() -> None:
    assert calls("rees46", REES46) == [
        {
            "type": "track",
            "event": "Product Added",
            "userId": "550050854",
            "anonymousId": "7c90fc70",
            "timestamp": "2019-10-01T00:00:04.000000Z",
            "properties": {
                "product_id": "1306631",
                "category_id": "2053013558920217191",
                "category": "computers.notebook",
                "price": 251.74,
            },
        }
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"event_type": "wish"}, "event_type is 'wish'; the map knows view, cart"),
        ({"event_type": ""}, "event_type is empty, and it is to be the event"),
        ({"price": "1_000"}, "price is '1_000', which is no number"),
        ({"price": "inf"}, "price is 'inf', which is no number"),
        ({"event_time": "yesterday"}, "event_time is 'yesterday', which is no time in the format"),
        ({"user_id": "", "user_session": ""}, "nobody is named: user_id and user_session is empty"),
    ],
)
def test_a_broken_row_names_the_column_and_the_reason(change: dict[str, str], told: str) -> None:
    assert calls("rees46", REES46 | change) == []
    (reason,) = problems("rees46", REES46 | change)
    assert reason.startswith(told)


def test_a_visitor_is_a_session_until_a_page_for_which_one_signs_in() -> None:
    (home,) = calls("retentioneering", SHOP)
    assert (home["type"], home["name"]) == ("page", "Home")
    assert home["context"] == {"device": {"type": "desktop"}}
    assert (home.get("userId"), home["anonymousId"]) == (None, "sess_000001")
    identify, ordered = calls("retentioneering", SHOP | {"event": "purchase"})
    assert identify["traits"] == {
        "acquisition_channel": "email",
        "cohort": "2024-01",
        "lifecycle": "returning",
    }
    assert ordered["event"] == "Order Completed"
    assert identify["userId"] == ordered["userId"] == "user_0000"
    assert identify["anonymousId"] == ordered["anonymousId"] == "sess_000001"


def test_a_call_made_once_says_for_what() -> None:
    first, second = planned(maps.find("retentioneering"), SHOP | {"event": "purchase"})
    assert isinstance(first, Planned)
    assert isinstance(second, Planned)
    assert first.once is not None
    assert first.once[1:] == ("sess_000001",)
    assert second.once is None
    assert first.place != second.place


def test_every_event_of_the_shop_makes_a_call() -> None:
    assert list(planned(maps.find("retentioneering"), SHOP | {"event": ""})) == []
    for event in ("product_view", "search", "checkout_bug", "support_chat"):
        assert len(calls("retentioneering", SHOP | {"event": event})) == 1


def test_a_line_of_otto_is_a_whole_session() -> None:
    clicks = {"aid": 1517085, "ts": 1659304800025, "type": "clicks"}
    line = {"session": 0, "events": [clicks, {**clicks, "type": "wish"}, 7, clicks]}
    first, second = calls("otto", line)
    assert first == {
        "type": "track",
        "event": "Product Viewed",
        "anonymousId": "otto-0",
        "timestamp": "2022-07-31T22:00:00.025000Z",
        "properties": {"product_id": "1517085"},
    }
    assert first == second
    assert problems("otto", line) == [
        "events[1]: type is 'wish'; the map knows clicks, carts, orders",
        "events[2]: must be an object",
    ]
    places = [e.place for e in planned(maps.find("otto"), line) if isinstance(e, Planned)]
    assert places == [0, 3]
    assert problems("otto", {"session": 1}) == ["events must be a list"]


def test_a_households_year() -> None:
    bought = {
        "household_id": "2261",
        "store_id": "309",
        "basket_id": "31625220889",
        "product_id": "940996",
        "quantity": "1.0",
        "sales_value": "3.86",
        "retail_disc": "0.43",
        "coupon_disc": "0.0",
        "coupon_match_disc": "0.0",
        "transaction_timestamp": "2017-07-28 19:06:53",
    }
    (call,) = calls("complete-journey", bought)
    assert (call["userId"], call["event"]) == ("household-2261", "Product Purchased")
    assert call["timestamp"] == "2017-07-28T23:06:53.000000Z"  # New York has summer time
    assert call["properties"]["revenue"] == 3.86
    assert call["properties"]["currency"] == "USD"
    (sent,) = calls("complete-journey-campaigns", {"campaign_id": "8", "household_id": "1"})
    assert sent["timestamp"] == "2017-05-08T04:00:00.000000Z"
    assert sent["properties"] == {"campaign_id": "8", "campaign_type": "A"}
    redeemed = {
        "household_id": "1029",
        "coupon_upc": "51380041013",
        "campaign_id": "26",
        "redemption_date": "2017-01-01",
    }
    (used,) = calls("complete-journey-coupons", redeemed)
    assert used["properties"] == {"coupon_id": "51380041013", "campaign_id": "26"}
    told = {"household_id": "1", "age": "65+", "home_ownership": "", "kids_count": "0"}
    (identify,) = calls("complete-journey-demographics", told)
    assert (identify["type"], identify["userId"]) == ("identify", "household-1")
    assert identify["traits"] == {"age": "65+", "children": "0"}


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("text", 7, "7"),
        ("text", True, "true"),
        ("number", "2", 2),
        ("number", " -1.5e3 ", -1500.0),
        ("integer", "3.0", 3),
        ("boolean", "Yes", True),
        ("boolean", 0, False),
        ("", 7, 7),
    ],
)
def test_kinds(kind: str, cell: Any, value: Any) -> None:
    found = read(Value("c", kind=kind), {"c": cell})
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "cell"), [("number", "one"), ("integer", "1.5"), ("boolean", "perhaps")]
)
def test_cells_that_are_not_of_their_kind(kind: str, cell: str) -> None:
    with pytest.raises(Broken, match=f"^c is '{cell}', which is "):
        read(Value("c", kind=kind), {"c": cell})


def test_a_dotted_column_reaches_into_objects() -> None:
    assert read(Value("user.id"), {"user": {"id": "ada"}}) == "ada"
    assert read(Value("user.id"), {"user.id": "grace", "user": {"id": "ada"}}) == "grace"
    assert read(Value("user.id"), {"user": "ada"}) is None


@pytest.mark.parametrize(
    ("format_", "cell", "at"),
    [
        ("iso", "1970-01-02", 86_400_000_000),
        ("iso", "1970-01-01T01:00:00+01:00", 0),
        ("unix", "1.5", 1_500_000),
        ("unix_ms", 1500, 1_500_000),
        ("%d.%m.%Y %H:%M", "02.01.1970 00:01", 86_460_000_000),
    ],
)
def test_times(format_: str, cell: Any, at: int) -> None:
    assert instant(Moment(Value("t"), format_), {"t": cell}) == at


def test_a_call_from_an_archive_keeps_its_time() -> None:
    call = {
        "type": "track",
        "event": "Ordered",
        "timestamp": "2020-01-01T00:00:00Z",
        "originalTimestamp": "2020-01-01T00:05:00Z",
        "sentAt": "2020-01-01T00:05:01Z",
    }
    kept = {"type": "track", "event": "Ordered", "timestamp": "2020-01-01T00:00:00Z"}
    assert archived(call) == kept
    assert [each.fields for each in planned(CALLS, call) if isinstance(each, Planned)] == [kept]
    first_hand = {"originalTimestamp": "2020-01-01T00:05:00Z"}
    assert archived(first_hand) == first_hand


def test_a_shift_moves_nothing_but_the_time() -> None:
    call = {"event": "Ordered", "timestamp": "2020-01-01T00:00:00Z"}
    moved = {"event": "Ordered", "timestamp": "2020-01-01T00:00:01.000000Z"}
    assert shifted(call, 1_000_000) == moved
    assert shifted({"event": "Ordered"}, 1_000_000) == {"event": "Ordered"}
