"""From the tree to one line, which `reading` reads as the same tree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from profiles.language.comparing import OPERATORS, TIMES
from profiles.language.parsing import MEASURES, TIMED
from profiles.language.text.reading import SYMBOLS

_SYMBOL_OF = {op: symbol for symbol, op in SYMBOLS.items()}
_PATH = re.compile(r"(?!not\b)[^\W\d][\w-]*(?:\.[\w-]+)*", re.IGNORECASE)
_ONCE = {"gte": 1}
_SPANS = ("within", "during")


def text(where: Mapping[str, Any]) -> str:
    """A condition that was checked, as one line."""
    return _any(normal(where))


def value_text(value: Mapping[str, Any]) -> str:
    """What a computed trait measures, checked, as one line."""
    if "sequence" in value:
        return _measure("count", value)
    if "predicted" in value:
        return f"predicted.{name(value['predicted'])}"
    kind = next((each for each in MEASURES if each in value), "count")
    return _measure(kind, value)


def normal(where: Mapping[str, Any]) -> dict[str, Any]:
    """The same condition as its text gives it: without what says nothing."""
    for kind in ("all", "any"):
        if kind in where:
            inner = [normal(each) for each in where[kind]]
            return inner[0] if len(inner) == 1 else {kind: inner}
    if "not" in where:
        return {"not": normal(where["not"])}
    if "sequence" in where:
        steps = [_normal_step(each) for each in where["sequence"]]
        return {"sequence": steps, **_rest(where), "count": _tests(where.get("count", _ONCE))}
    if "event" in where:
        return _normal_event(where)
    head = {name: where[name] for name in where if name not in OPERATORS}
    return {**head, **_tests(where)}


def _normal_event(where: Mapping[str, Any]) -> dict[str, Any]:
    kind = next((each for each in MEASURES if each in where), "count")
    of = {"of": where[kind]["of"]} if "of" in where.get(kind, {}) else {}
    tests = _tests(where.get(kind, _ONCE))
    found = {"event": where["event"], **_filtered(where)}
    return {**found, kind: {**of, **tests}, **_rest(where)}


def _normal_step(step: Mapping[str, Any]) -> dict[str, Any]:
    found = {**step}
    found.pop("where", None)
    found |= _filtered(step)
    if "without" in step:
        others = [{"event": each["event"], **_filtered(each)} for each in step["without"]]
        found["without"] = others
        if not others:
            del found["without"]
    return found


def _filtered(where: Mapping[str, Any]) -> dict[str, Any]:
    filters = [_normal_filter(each) for each in where.get("where", ())]
    if len(filters) == 1 and "all" in filters[0]:
        filters = filters[0]["all"]
    return {"where": filters} if filters else {}


def _normal_filter(where: Mapping[str, Any]) -> dict[str, Any]:
    for rule in ("all", "any"):
        if rule in where:
            inner = [_normal_filter(each) for each in where[rule]]
            return inner[0] if len(inner) == 1 else {rule: inner}
    if "not" in where:
        return {"not": _normal_filter(where["not"])}
    reads = {"as": where["as"]} if "as" in where else {}
    return {"property": where["property"], **reads, **_tests(where)}


def _rest(where: Mapping[str, Any]) -> dict[str, Any]:
    return {name: where[name] for name in (*_SPANS, "same") if name in where}


def _tests(where: Mapping[str, Any]) -> dict[str, Any]:
    return {op: where[op] for op in OPERATORS if op in where}


def _any(where: Mapping[str, Any]) -> str:
    if "any" not in where:
        return _all(where)
    return " or ".join(_single(each) if "any" in each else _all(each) for each in where["any"])


def _all(where: Mapping[str, Any]) -> str:
    if "all" not in where:
        return _single(where)
    return " and ".join(_single(each) for each in where["all"])


def _single(where: Mapping[str, Any]) -> str:
    if "any" in where or "all" in where:
        return f"({_any(where)})"
    if "not" in where:
        return f"not {_single(where['not'])}"
    if "property" in where:
        return f"{name(where['property'])}{_as(where)} {_compared(where)}"
    if "seen" in where:
        return f"{where['seen']}_seen within {where['within']}"
    for kind in ("trait", "computed", "identifier", "segment", "consent"):
        if kind in where:
            return f"{kind}.{name(where[kind])}{_as(where)} {_compared(where)}".rstrip()
    kind = next((each for each in MEASURES if each in where), "count")
    return f"{_measure(kind, where)} {_compared(where[kind], timed=kind in TIMED)}"


def _measure(kind: str, where: Mapping[str, Any]) -> str:
    rest = [where[each] for each in _SPANS if each in where]
    rest += [f"same {name(where['same'])}"] if "same" in where else []
    if "sequence" in where:
        steps = " then ".join(_step(each) for each in where["sequence"])
        return f"sequence({', '.join((steps, *rest))})"
    of = where.get(kind, {}).get("of")
    inside = (f"{name(of)} of " if of else "") + _event(where["event"], where)
    return f"{kind}({', '.join((inside, *rest))})"


def _event(called: str, where: Mapping[str, Any]) -> str:
    filters = where.get("where")
    if not filters:
        return scalar(called)
    return f"{scalar(called)} where {_any({'all': filters} if len(filters) > 1 else filters[0])}"


def _step(step: Mapping[str, Any]) -> str:
    if "no" in step:
        return f"no {_event(step['no'], step)} for {step['for']}"
    said = [_event(step["event"], step)]
    said += [f"{limit} {step[limit]}" for limit in ("after", "within") if limit in step]
    said += [f"without {_event(each['event'], each)}" for each in step.get("without", ())]
    return " ".join(said)


def _as(where: Mapping[str, Any]) -> str:
    return f" as {where['as']}" if "as" in where else ""


def _compared(where: Mapping[str, Any], *, timed: bool = False) -> str:
    said = [_test(op, where[op], timed=timed) for op in OPERATORS if op in where]
    return said[0] if len(said) == 1 else f"is ({' and '.join(said)})" if said else ""


def _test(op: str, value: Any, *, timed: bool) -> str:
    if op == "exists":
        return "exists" if value else "missing"
    if op == "in":
        return f"in ({', '.join(scalar(each) for each in value)})"
    if op in TIMES:
        relative = value.startswith("in ") or value.endswith(" ago")
        return f"{op} {value if relative else scalar(value)}"
    if op in _SYMBOL_OF:
        return f"{_SYMBOL_OF[op]} {value if timed else scalar(value)}"
    return f"{op} {scalar(value)}"


def name(said: str) -> str:
    """Of a trait or property: in quotes where it is no plain name."""
    return said if _PATH.fullmatch(said) else scalar(said)


def scalar(value: Any) -> str:
    """A text in quotes, or a number, true or false as JSON has it."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return msgspec.json.encode(value).decode()
