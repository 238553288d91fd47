"""From one line to the tree: `trait.country in ('DE', 'AT') and count('Viewed', 48h) >= 3`."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from profiles.language.text.grammar import GRAMMAR, SAID

LONGEST = 20_000  # characters
SYMBOLS = {"=": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_WHOLE_DIGITS = 30  # of a number that is read as a whole one

Test: TypeAlias = tuple[str, Any]


class Unclear(Exception):
    """The text cannot be read; says where and what would help."""


def tree(text: str) -> dict[str, Any]:
    """The condition that a text describes, as JSON has it; whether its values may be is not asked.

    Unclear tells the character at which it cannot be read, counted from one.
    """
    return dict(_read(text, "start"))


def value(text: str) -> dict[str, Any]:
    """Likewise what a text measures: `sum(revenue of 'Order Completed', 90d)`."""
    kind, found = _read(text, "defined")
    return found if not {kind, "sequence"}.isdisjoint(found) else {**found, kind: {}}


def _read(text: str, start: str) -> Any:
    if len(text) > LONGEST:
        raise Unclear(f"Longer than {LONGEST:,} characters: write it as JSON.")
    try:
        return _parser().parse(text, start=start)
    except UnexpectedInput as error:
        raise Unclear(_told(text, error)) from None


@cache
def _parser() -> Lark:
    starts = ["start", "defined"]
    reader = _Reader()
    return Lark(GRAMMAR, parser="lalr", start=starts, transformer=reader, maybe_placeholders=True)


@v_args(inline=True)
class _Reader(Transformer[Token, Any]):
    """Makes the tree while reading, so that no depth of nesting is too much."""

    def start(self, whole: Any) -> Any:
        return whole

    def any_of(self, *of: Any) -> Any:
        return {"any": list(of)} if len(of) > 1 else of[0]

    def all_of(self, *of: Any) -> Any:
        return {"all": list(of)} if len(of) > 1 else of[0]

    def negated(self, inner: Any) -> Any:
        return {"not": inner}

    def trait(self, name: str, reads: Token | None, tests: dict[str, Any]) -> Any:
        return {"trait": name, **_as(reads), **tests}

    def computed(self, name: str, tests: dict[str, Any]) -> Any:
        return {"computed": name, **tests}

    def identifier(self, name: str, tests: dict[str, Any] | None) -> Any:
        return {"identifier": name, **(tests or {})}

    def segment(self, key: str) -> Any:
        return {"segment": key}

    def consent(self, purpose: str) -> Any:
        return {"consent": purpose}

    def first_seen(self, within: Token) -> Any:
        return {"seen": "first", "within": str(within)}

    def last_seen(self, within: Token) -> Any:
        return {"seen": "last", "within": str(within)}

    def measured(self, found: tuple[str, dict[str, Any]], tests: dict[str, Any] | None) -> Any:
        kind, measure = found
        if kind == "count" and not tests:
            return measure
        return {**measure, kind: {**measure.get(kind, {}), **(tests or {})}}

    def counted(self, kind: Token, name: Token, filters: Any, args: dict[str, Any]) -> Any:
        return str(kind).lower(), {"event": _text(name), **_where(filters), **args}

    def valued(self, kind: Token, of: str, *event: Any) -> Any:
        name, filters, args = event
        measure = str(kind).lower()
        return measure, {"event": _text(name), **_where(filters), measure: {"of": of}, **args}

    def predicted(self, model: str) -> Any:
        return "predicted", {"predicted": model}

    def sequence(self, *steps: Any) -> Any:
        return "count", {"sequence": list(steps[:-1]), **steps[-1]}

    def step(self, name: Token, filters: Any, *limits: Any) -> Any:
        after, within, without = limits
        found = {"event": _text(name), **_where(filters)}
        found |= {"after": str(after)} if after else {}
        found |= {"within": str(within)} if within else {}
        return found | ({"without": without} if without else {})

    def lacking(self, name: Token, filters: Any, wait: Token) -> Any:
        return {"no": _text(name), **_where(filters), "for": str(wait)}

    def without(self, *others: Any) -> Any:
        return list(others)

    def other(self, name: Token, filters: Any) -> Any:
        return {"event": _text(name), **_where(filters)}

    def args(self, *each: dict[str, str]) -> dict[str, str]:
        found = {name: value for arg in each for name, value in arg.items()}
        if len(found) < len(each):
            raise Unclear("One time and one `same` at most may follow what is counted.")
        return found

    def sliding(self, within: Token) -> Any:
        return {"within": str(within)}

    def calendar(self, during: Token) -> Any:
        return {"during": " ".join(during.lower().split())}

    def same(self, name: str) -> Any:
        return {"same": name}

    def filters(self, whole: dict[str, Any]) -> Any:
        return whole.get("all", [whole])

    def filter(self, name: str, reads: Token | None, tests: dict[str, Any]) -> Any:
        return {"property": name, **_as(reads), **tests}

    def name(self, token: Token) -> str:
        return _text(token) if token.type == "STRING" else str(token)

    def tests(self, *each: Test) -> dict[str, Any]:
        found = dict(each)
        if len(found) < len(each):
            raise Unclear("One `is (…)` compares twice in the same way: put `and` between two.")
        return found

    def compared(self, symbol: Token, value: Any) -> Test:
        return SYMBOLS[symbol], value

    def among(self, *values: Any) -> Test:
        return "in", list(values)

    def compared_times(self, symbol: Token, duration: Token) -> Test:
        return SYMBOLS[symbol], str(duration)

    def worded(self, word: Token, value: Any) -> Test:
        return word.lower(), value

    def on(self, when: Token, point: Token) -> Test:
        return when.lower(), _text(point)

    def ago(self, when: Token, duration: Token) -> Test:
        return when.lower(), f"{duration} ago"

    def ahead(self, when: Token, duration: Token) -> Test:
        return when.lower(), f"in {duration}"

    def existing(self, _: Token) -> Test:
        return "exists", True

    def missing(self, _: Token) -> Test:
        return "exists", False

    def scalar(self, token: Token) -> Any:
        if token.type == "STRING":
            return _text(token)
        if token.type == "NUMBER":
            whole = token.lstrip("-").isdigit() and len(token) <= _WHOLE_DIGITS
            return int(token) if whole else float(token)
        return token.type == "TRUE"


def _where(filters: list[Any] | None) -> dict[str, Any]:
    return {"where": filters} if filters else {}


def _as(reads: Token | None) -> dict[str, str]:
    return {"as": reads.lower()} if reads else {}


def _text(token: str) -> str:
    return token[1:-1].replace("''", "'")


def _told(text: str, error: UnexpectedInput) -> str:
    wanted: set[str] = set()
    if isinstance(error, UnexpectedToken):
        wanted = error.accepts or error.expected
    elif isinstance(error, UnexpectedCharacters):
        wanted = error.allowed
    elif isinstance(error, UnexpectedEOF):
        wanted = set(error.expected)
    at = len(text) if isinstance(error, UnexpectedEOF) else error.pos_in_stream or 0
    ended = at >= len(text) or (isinstance(error, UnexpectedToken) and not error.token)
    where = "At the end" if ended else f"At character {at + 1}, {_near(text, at)}"
    helps = sorted(SAID.get(each, each.strip("_").lower()) for each in wanted)
    return f"{where}: expected {', '.join(helps) or SAID['$END']}."


def _near(text: str, at: int) -> str:
    found = text[at : at + 20].split("\n", 1)[0]
    return f"“{found}{'…' if at + 20 < len(text) else ''}”"
