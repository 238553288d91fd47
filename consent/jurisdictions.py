"""Which law somebody is under, from what their events say; and what holds there without a decision.

A jurisdiction is written as ISO 3166 has it: a country, `DE`, or a part of one, `US-CA`. It is what
the event says of itself, else the country, else what law a consent string is for, else the time
zone, else the language's region. Nobody knows: the strictest of all that are known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from typing import Literal, NamedTuple, TypeAlias

from cdp.events import Event, mapping
from consent import signals

State: TypeAlias = Literal["granted", "denied"]

PLACE = re.compile(r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?[-_]([A-Za-z]{2})\b")


class Default(NamedTuple):
    """How a person stands without a decision, the legal basis of that, and whose law it is."""

    state: State
    basis: str  # consent, contract, legitimate_interest, opt_out, implied_consent …
    regime: str  # empty: the operator's own word


class Regime(NamedTuple):
    """A law, or several that agree: where it holds, and what it says by purpose."""

    key: str
    name: str
    places: tuple[str, ...]
    sources: tuple[str, ...]
    purposes: Mapping[str, tuple[str, State]]


def _read() -> dict[str, Regime]:
    told = json.loads((resources.files("consent") / "regimes.json").read_text())
    return {
        key: Regime(
            key,
            each["name"],
            tuple(each["places"]),
            tuple(each["sources"]),
            {p: (b, s) for p, (b, s) in told["models"][each["model"]]["purposes"].items()},
        )
        for key, each in told["regimes"].items()
    }


_UNKNOWN: tuple[str, State] = ("consent", "denied")  # a purpose of the operator's own
REGIMES: Mapping[str, Regime] = _read()
_BY_PLACE = {place: regime for regime in REGIMES.values() for place in regime.places}


def regime(code: str) -> Regime | None:
    """The law in a jurisdiction, as far as the table knows it."""
    return _BY_PLACE.get(code) or _BY_PLACE.get(code.partition("-")[0])


def is_code(text: str) -> bool:
    """Whether it is written as a jurisdiction is."""
    return bool(PLACE.match(text))


def told(event: Event) -> str:
    """Where an event's person is by its own word, or as far as its context tells; else empty."""
    context = event.context
    stated = event.properties.get("jurisdiction") if event.type == "consent" else None
    consent = context.get("consent")
    country = region = None
    if "location" in context:
        location = mapping(context["location"])
        country, region = location.get("country"), location.get("region")
    if isinstance(consent, dict):
        stated = stated or consent.get("jurisdiction")
        if not stated and not country and event.type != "consent":  # of that the context is gone
            stated = signals.place(consent)
    tongue = _text(context.get("timezone")), _text(context.get("locale"))
    if not stated and not country and not region:  # as a rule
        return _told("", "", "", *tongue)
    return _told(_text(stated), _text(country), _text(region), *tongue)


def _text(value: object) -> str:
    return value[:64] if isinstance(value, str) else ""


@lru_cache(maxsize=4096)
def _told(stated: str, country: str, region: str, timezone: str, locale: str) -> str:
    if is_code(stated.upper()):
        return stated.upper()
    named = _country(country)
    if named:
        part = f"{named}-{region.upper().removeprefix(named + '-')}"
        return part if part in _BY_PLACE else named
    by_zone = _zones().get(timezone, "")
    if by_zone:
        return by_zone
    found = _LOCALE.match(locale)
    return found[1].upper() if found else ""


def _country(named: str) -> str:
    upper = named.upper()
    return upper if re.fullmatch("[A-Z]{2}", upper) else _countries().get(upper, "")


def _tables(name: str) -> list[list[str]]:
    """A table of the IANA time zone database, which the package tzdata carries."""
    text = (resources.files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]


@lru_cache(maxsize=1)
def _countries() -> Mapping[str, str]:
    named = {name.upper(): code for code, name in _tables("iso3166.tab")}
    return named | {"UNITED KINGDOM": "GB", "GREAT BRITAIN": "GB", "UK": "GB", "USA": "US"}


@lru_cache(maxsize=1)
def _zones() -> Mapping[str, str]:
    zones = {row[2]: row[0] for row in _tables("zone.tab")}
    links = (resources.files("tzdata") / "zoneinfo" / "tzdata.zi").read_text(encoding="utf-8")
    for line in links.splitlines():
        if line.startswith("L "):
            _, target, name = line.split()
            if target in zones:
                zones.setdefault(name, zones[target])
    return zones


@lru_cache(maxsize=4096)
def by_law(purpose: str, codes: frozenset[str], home: str) -> Default:
    """What holds for somebody seen in these places; in none of them: at `home`, the strictest."""
    laws = [law for code in codes or {home} for law in _laws(code)]
    told = [(law.purposes.get(purpose, _UNKNOWN), law.key) for law in laws]
    return min(  # denied comes before granted
        (Default(state, basis, key) for (basis, state), key in told),
        key=lambda each: (each.state, each.regime),
    )


def _laws(code: str) -> Iterable[Regime]:
    known = regime(code)
    return (known,) if known else REGIMES.values()
