"""Where an event's person is: by its own word, by country, time zone or language."""

from __future__ import annotations

from typing import Any

import pytest

from cdp.events import SCHEMA, Event
from consent.jurisdictions import REGIMES, is_code, regime, told


def where(kind: str = "track", properties: dict[str, Any] | None = None, **context: Any) -> str:
    event = Event(
        SCHEMA,
        kind,  # type: ignore[arg-type]
        b"e" * 16,
        1,
        "m",
        10,
        10**9,
        properties=properties or {},
        context=context,
    )
    return told(event)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, ""),
        ({"consent": {"jurisdiction": "us-ca"}, "timezone": "Europe/Berlin"}, "US-CA"),
        ({"location": {"country": "de"}, "timezone": "America/New_York"}, "DE"),
        ({"location": {"country": "Germany"}}, "DE"),
        ({"location": {"country": "United States", "region": "CA"}}, "US-CA"),
        ({"location": {"country": "US", "region": "US-TX"}}, "US-TX"),
        ({"location": {"country": "US", "region": "WY"}}, "US"),
        ({"location": {"country": "Atlantis"}, "timezone": "Europe/Berlin"}, "DE"),
        ({"timezone": "Europe/Kiev", "locale": "en-US"}, "UA"),
        ({"timezone": "America/Buenos_Aires"}, "AR"),
        ({"timezone": "Asia/Calcutta"}, "IN"),
        ({"timezone": "UTC", "locale": "pt-BR"}, "BR"),
        ({"locale": "zh-Hans-CN"}, "CN"),
        ({"locale": "en_GB.UTF-8"}, "GB"),
        ({"locale": "de"}, ""),
        ({"location": "here", "timezone": 3, "locale": None, "consent": []}, ""),
    ],
)
def test_where_somebody_is(context: dict[str, Any], expected: str) -> None:
    assert where(**context) == expected


def test_a_decision_states_it_itself() -> None:
    assert where("consent", {"jurisdiction": "BR"}, timezone="Europe/Berlin") == "BR"
    assert where("track", {"jurisdiction": "BR"}, timezone="Europe/Berlin") == "DE"


def test_every_place_of_the_table_is_written_as_codes_are_and_has_one_law() -> None:
    places = [place for law in REGIMES.values() for place in law.places]
    assert len(places) == len(set(places))
    assert all(map(is_code, places))
    assert all(law.sources for law in REGIMES.values())
    assert regime("US-CA") != regime("US-WY") == regime("US")
    assert regime("FR") == regime("DE")
    assert regime("ZZ") is None
