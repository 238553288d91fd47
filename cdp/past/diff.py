"""What changed between two moments of one person: pure, of two profiles as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Shown: TypeAlias = Mapping[str, Any]
_NOBODY: Shown = {
    "profile_id": None,
    "identifiers": {},
    "traits": {},
    "groups": {},
    "segments": [],
    "decided": {},
    "consent": {},
    "events": {},
}


def differences(before: Shown | None, after: Shown | None) -> dict[str, Any]:
    """Field by field. Who was nobody then has everything set; whoever is nobody any more, gone."""
    old, new = before or _NOBODY, after or _NOBODY
    return {
        "profile_id": {"from": old["profile_id"], "to": new["profile_id"]},
        "traits": _values(old["traits"], new["traits"]),
        "groups": _values(old["groups"], new["groups"]),
        "identifiers": _names(old["identifiers"], new["identifiers"]),
        "segments": _moves(old["segments"], new["segments"]),
        "decided": _moves(list(old["decided"]), list(new["decided"])),
        "consent": _pairs(old["consent"], new["consent"]),
        "events": _counts(old["events"], new["events"]),
    }


def _values(old: Shown, new: Shown) -> dict[str, Any]:
    return {
        "set": {name: new[name] for name in new if name not in old},
        "changed": {
            name: {"from": old[name], "to": new[name]}
            for name in new
            if name in old and not _same(old[name], new[name])
        },
        "gone": {name: old[name] for name in old if name not in new},
    }


def _same(one: Any, other: Any) -> bool:
    """1 and true are equal to Python, and two values to everybody else."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[n], other[n]) for n in one)
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_same(a, b) for a, b in pairs)
    return bool(one == other)


def _names(old: Mapping[str, list[str]], new: Mapping[str, list[str]]) -> dict[str, Any]:
    return {"added": _beyond(old, new), "removed": _beyond(new, old)}


def _beyond(some: Mapping[str, list[str]], more: Mapping[str, list[str]]) -> dict[str, list[str]]:
    found = {name: [v for v in more[name] if v not in some.get(name, ())] for name in more}
    return {name: values for name, values in found.items() if values}


def _moves(old: Sequence[str], new: Sequence[str]) -> dict[str, list[str]]:
    return {
        "entered": [each for each in new if each not in old],
        "left": [each for each in old if each not in new],
    }


def _pairs(old: Shown, new: Shown) -> dict[str, Any]:
    return {
        name: {"from": old.get(name), "to": new.get(name)}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    }


def _counts(old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, dict[str, int]]:
    return {
        name: {"from": old.get(name, 0), "to": new.get(name, 0)}
        for name in sorted(old.keys() | new.keys())
        if old.get(name, 0) != new.get(name, 0)
    }
