"""How alike two values of a field are: levels, from the same down to nothing in common."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

_NOT_WORD = re.compile(r"[\W_]+")
_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?!\d)")
_PLUS = re.compile(r"\+.*?(?=@)")


PLACES = "places"  # compared as whole sets: in how many places two were at the same time


class Comparison(NamedTuple):
    """One way of comparing values as `clean` gives them, so that their order is no matter.

    `levels` says in words what each level means; the first is the closest, the last is none of the
    others.
    """

    levels: tuple[str, ...]
    clean: Callable[[str], str]  # empty for what stands for no value
    level: Callable[[str, str], int]  # of two clean values that are not the same


def _caseless(form: Literal["NFKC", "NFKD"], text: str) -> str:
    """Twice, because each of the two steps may leave the other something to do (Unicode 3.13)."""
    for _ in range(2):
        text = unicodedata.normalize(form, unicodedata.normalize(form, text).casefold())
    return text


def _words(text: str) -> str:
    plain = _caseless("NFKD", text)
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return _NOT_WORD.sub(" ", kept).strip()


def _code(text: str) -> str:
    return _words(text).replace(" ", "")


def _date(text: str) -> str:
    found = _DATE.match(text.strip())
    return "".join(found.groups()) if found else ""


def _address(text: str) -> str:
    plain = _caseless("NFKC", text).strip()
    return _PLUS.sub("", plain) if "@" in plain else ""


def _alike(a: str, b: str) -> float:
    """From 0 to 1 (Winkler 1990)."""
    from rapidfuzz.distance import JaroWinkler  # only here: most processes compare nobody

    return JaroWinkler.similarity(a, b)


def _slips(a: str, b: str) -> int:
    """Letters put in, left out, mistaken or exchanged with the next, to make one of the other."""
    from rapidfuzz.distance import OSA

    return OSA.distance(a, b)


def _name(a: str, b: str) -> int:
    alike = _alike(a, b)
    return 1 if alike >= 0.92 else 2 if alike >= 0.85 else 3 if alike >= 0.7 else 4


def _dates(a: str, b: str) -> int:
    if _slips(a, b) == 1:
        return 1
    parts = (a[:4], a[4:6], a[6:]), (b[:4], b[4:6], b[6:])
    if sum(x == y for x, y in zip(*parts, strict=True)) == 2 or a[4:] == b[6:] + b[4:6]:
        return 2
    return 3 if a[:4] == b[:4] or _slips(a, b) == 2 else 4


def _codes(a: str, b: str) -> int:
    if _slips(a, b) == 1:
        return 1
    return 2 if len(a) > 3 and a[:3] == b[:3] else 3


def _addresses(a: str, b: str) -> int:
    (box, _, host), (other, _, elsewhere) = a.partition("@"), b.partition("@")
    if box == other:
        return 1
    alike = _alike(box, other)
    return 2 if alike >= 0.92 else 3 if alike >= 0.8 or host == elsewhere else 4


def _place(text: str) -> str:
    """A day and a network, as `20782 192.0.2`."""
    day, _, network = text.partition(" ")
    return text if day.isdigit() and network else ""


def together(a: Iterable[str], b: Iterable[str], crowded: Container[str]) -> int:
    """The level of two sets of places, without those where everybody is."""
    days: dict[str, int] = {}
    for place in set(a) & set(b):
        network = place.partition(" ")[2]
        if network not in crowded:
            days[network] = days.get(network, 0) + 1
    if len(days) > 1:
        return 0
    most = max(days.values(), default=0)
    return 1 if most > 2 else 2 if most else 3


def _texts(a: str, b: str) -> int:
    return 1 if _alike(a, b) >= 0.9 else 2


COMPARISONS: Mapping[str, Comparison] = MappingProxyType(
    {
        "exact": Comparison(("the same", "different"), _code, lambda a, b: 1),
        "text": Comparison(("the same", "nearly the same", "different"), _words, _texts),
        "name": Comparison(
            ("the same", "nearly the same", "alike", "a little alike", "different"), _words, _name
        ),
        "date": Comparison(
            ("the same", "one slip apart", "two parts the same", "a little alike", "different"),
            _date,
            _dates,
        ),
        "code": Comparison(
            ("the same", "one slip apart", "the same beginning", "different"), _code, _codes
        ),
        "email": Comparison(
            (
                "the same",
                "the same name elsewhere",
                "nearly the same name",
                "a little alike",
                "different",
            ),
            _address,
            _addresses,
        ),
        PLACES: Comparison(
            (
                "at the same time in more than one network",
                "in the same network on several days",
                "in the same network at the same time",
                "never in one network at the same time",
            ),
            _place,
            lambda a, b: 3,
        ),
    }
)


@lru_cache(maxsize=100_000)
def cleaned(kind: str, written: str) -> str:
    """A value as it is compared; empty if it stands for none."""
    return COMPARISONS[kind].clean(written)


@lru_cache(maxsize=100_000)
def level_of(kind: str, a: str, b: str) -> int:
    """The level of two clean values."""
    return 0 if a == b else COMPARISONS[kind].level(a, b)
