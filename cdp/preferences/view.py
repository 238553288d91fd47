"""A person's preferences as a page lays them out, and as JSON tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cdp import times
from cdp.preferences import model
from cdp.preferences.choices import Person
from cdp.preferences.languages import Language
from cdp.preferences.token import Link
from consent.purposes import DEFAULT_PURPOSES, Purpose, whole

_NAMES = {each.key: each.name for each in DEFAULT_PURPOSES}
_ORDER = list(_NAMES)  # purposes of the operator's own come after these


def preferences(person: Person, language: Language) -> dict[str, Any]:
    """What the page needs beside texts: purposes in groups, and the frequency."""
    rows = _rows(person, language)
    by_mail = [each["key"] for each in rows if "email" in each["channels"]]
    groups = [
        (language.texts["messages"], [each for each in rows if each["channels"]]),
        (language.texts["uses"], [each for each in rows if not each["channels"]]),
    ]
    return {
        "groups": [(about, group) for about, group in groups if group],
        "asks": by_mail[0] if by_mail else "",  # below it the page asks how often
        "frequencies": model.FREQUENCIES,
        "frequency": person.frequency,
    }


def told(link: Link, person: Person, language: Language) -> dict[str, Any]:
    """The same, for programs."""
    return {
        "identifier": model.masked(link.who),
        "language": language.code,
        "purposes": _rows(person, language),
        "frequency": person.frequency,
        "frequencies": list(model.FREQUENCIES),
        "requests": ["export", "erase"],
        "expires_at": times.iso(link.expires_at),
    }


def name(key: str, purposes: Sequence[Purpose], language: Language) -> str:
    """What a purpose is called."""
    for purpose in purposes:
        if purpose.key == key:
            return _named(purpose, language)[0]
    return key


def _rows(person: Person, language: Language) -> list[dict[str, Any]]:
    rows = []
    for purpose in sorted(person.purposes, key=_place):
        if len(purpose.channels) > 1:  # each of them has a row of its own
            continue
        shown, description = _named(purpose, language)
        row = {
            "key": purpose.key,
            "name": shown,
            "description": description,
            "state": person.stands[purpose.key].state,
            "always": purpose.key == model.ALWAYS,
            "channels": list(purpose.channels),
        }
        rows.append(row)
    return rows


def _place(purpose: Purpose) -> tuple[int, str]:
    key = whole(purpose.key)
    return (_ORDER.index(key) if key in _NAMES else len(_ORDER)), purpose.key


def _named(purpose: Purpose, language: Language) -> tuple[str, str]:
    """Translated, unless the operator has named it otherwise; of their own, what it comes by."""
    key, ways = whole(purpose.key), language.texts["channels"]
    known = language.texts["purposes"].get(key)
    by = ", ".join(ways.get(each, each) for each in purpose.channels)
    name, about = known or (purpose.name, by)
    if known and purpose.name != _NAMES[key]:
        name = purpose.name
    return (name, about) if key == purpose.key else (f"{name}: {by}", known[1] if known else "")
