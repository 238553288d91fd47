"""From one line to the tree: `trait.country in ('DE', 'AT') and count('Viewed', 48h) >= 3`."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

LONGEST = 20_000  # characters
SYMBOLS = {"=": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_GRAMMAR = r"""
start: any_of
?any_of: all_of (_OR all_of)*
?all_of: one (_AND one)*
?one: _NOT one -> negated
    | "(" any_of ")"
    | _TRAIT "." name tests -> trait
    | _FIRST_SEEN _WITHIN DURATION -> first_seen
    | _LAST_SEEN _WITHIN DURATION -> last_seen
    | _CONSENT "." name -> consent
    | _COUNT "(" STRING [filters] ["," DURATION] ")" [tests] -> event
filters: _WHERE filter (_AND filter)*
filter: name tests
name: PATH | STRING
tests: test | _IS "(" test (_AND test)* ")"
?test: SYMBOL value -> compared
    | _IN "(" value ("," value)* ")" -> among
    | _CONTAINS value -> containing
    | EXISTS -> existing
    | MISSING -> missing
value: STRING | NUMBER | TRUE | FALSE

_AND: /and\b/i
_OR: /or\b/i
_NOT: /not\b/i
_TRAIT: /trait\b/i
_COUNT: /count\b/i
_FIRST_SEEN: /first_seen\b/i
_LAST_SEEN: /last_seen\b/i
_WITHIN: /within\b/i
_CONSENT: /consent\b/i
_WHERE: /where\b/i
_IS: /is\b/i
_IN: /in\b/i
_CONTAINS: /contains\b/i
EXISTS: /exists\b/i
MISSING: /missing\b/i
TRUE: /true\b/i
FALSE: /false\b/i
SYMBOL: /!=|>=|<=|=|>|</
STRING: /'(?:[^']|'')*'/
NUMBER: /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/
DURATION: /[1-9][0-9]*[smhdw]\b/
PATH: /[^\W\d][\w-]*(?:\.[\w-]+)*/
%ignore /\s+/
"""
_SAID = {
    "$END": "the end",
    "STRING": "a 'text'",
    "NUMBER": "a number",
    "DURATION": "a duration like 7d",
    "PATH": "a name",
    "SYMBOL": "= != > >= < <=",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
    "DOT": ".",
}
_WHOLE_DIGITS = 30  # of a number that is read as a whole one

Test: TypeAlias = tuple[str, Any]


class Unclear(Exception):
    """The text cannot be read; says where and what would help."""


def tree(text: str) -> dict[str, Any]:
    """The condition that a text describes, as JSON has it; whether its values may be is not asked.

    Unclear tells the character at which it cannot be read, counted from one.
    """
    if len(text) > LONGEST:
        raise Unclear(f"Longer than {LONGEST:,} characters: write it as JSON.")
    try:
        read: Any = _parser().parse(text)
    except UnexpectedInput as error:
        raise Unclear(_told(text, error)) from None
    return dict(read)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", transformer=_Reader(), maybe_placeholders=True)


@v_args(inline=True)
class _Reader(Transformer[Token, Any]):
    """Makes the tree while reading, so that no depth of nesting is too much."""

    def start(self, whole: Any) -> Any:
        return whole

    def any_of(self, *of: Any) -> Any:
        return {"any": list(of)}

    def all_of(self, *of: Any) -> Any:
        return {"all": list(of)}

    def negated(self, inner: Any) -> Any:
        return {"not": inner}

    def trait(self, name: str, tests: dict[str, Any]) -> Any:
        return {"trait": name, **tests}

    def first_seen(self, within: Token) -> Any:
        return {"seen": "first", "within": str(within)}

    def last_seen(self, within: Token) -> Any:
        return {"seen": "last", "within": str(within)}

    def consent(self, purpose: str) -> Any:
        return {"consent": purpose}

    def event(
        self, name: Token, filters: Any, within: Token | None, tests: dict[str, Any] | None
    ) -> Any:
        found: dict[str, Any] = {"event": _text(name)}
        if filters:
            found["where"] = filters
        if tests:
            found["count"] = tests
        if within:
            found["within"] = str(within)
        return found

    def filters(self, *each: Any) -> Any:
        return list(each)

    def filter(self, name: str, tests: dict[str, Any]) -> Any:
        return {"property": name, **tests}

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

    def containing(self, value: Any) -> Test:
        return "contains", value

    def existing(self, _: Token) -> Test:
        return "exists", True

    def missing(self, _: Token) -> Test:
        return "exists", False

    def value(self, token: Token) -> Any:
        if token.type == "STRING":
            return _text(token)
        if token.type == "NUMBER":
            whole = token.lstrip("-").isdigit() and len(token) <= _WHOLE_DIGITS
            return int(token) if whole else float(token)
        return token.type == "TRUE"


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
    helps = sorted(_SAID.get(each, each.strip("_").lower()) for each in wanted)
    return f"{where}: expected {', '.join(helps)}."


def _near(text: str, at: int) -> str:
    found = text[at : at + 20].split("\n", 1)[0]
    return f"“{found}{'…' if at + 20 < len(text) else ''}”"
