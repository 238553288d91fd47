"""The pages' texts, one file a language: a file more in `languages/` is a language more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from cdp import times
from cdp.events import Instant

DEFAULT = "en"


class Language(NamedTuple):
    """A language's texts; `version` is theirs, and changes with any of them."""

    code: str
    version: str
    texts: Mapping[str, Any]

    def date(self, instant: Instant) -> str:
        """A day as people write it."""
        day = times.to_datetime(instant)
        month = self.texts["months"][day.month - 1]
        return str(self.texts["date"]).format(day=day.day, month=month, year=day.year)


@cache
def languages() -> dict[str, Language]:
    """Every language there is, by its code."""
    files = sorted(
        (resources.files("cdp.preferences") / "languages").iterdir(), key=lambda each: each.name
    )
    found = {}
    for file in files:
        raw = file.read_bytes()
        code = file.name.removesuffix(".json")
        found[code] = Language(code, hashlib.sha256(raw).hexdigest()[:8], json.loads(raw))
    return found


def chosen(asked: str, accepted: str) -> Language:
    """The one asked for by its code, else the first that a browser's `Accept-Language` names."""
    known = languages()
    for tag in (asked, *_preferred(accepted)):
        code = tag.strip().lower().partition("-")[0]
        if code in known:
            return known[code]
    return known[DEFAULT]


def _preferred(accepted: str) -> list[str]:
    weighed = []
    for place, each in enumerate(accepted[:500].split(",")):
        tag, _, weight = each.partition(";")
        try:
            quality = float(weight.partition("=")[2] or 1)
        except ValueError:
            quality = 0.0
        if quality > 0:
            weighed.append((-quality, place, tag))
    return [tag for _, _, tag in sorted(weighed)]
