"""Segments as people write them: the one source of validation, error messages and OpenAPI."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from cdp.forms import Flag, Form, WholeNumber, Written
from profiles.comparing import OPERATORS

MAX_DEPTH = 16
MAX_CONDITIONS = 200  # in all
MAX_LIST = 100
MAX_COUNT = 1000
_DURATION = (
    "^([1-9][0-9]{0,7}s|[1-9][0-9]{0,6}m|[1-9][0-9]{0,4}h|[1-9][0-9]{0,3}d|[1-9][0-9]{0,2}w)$"
)


class Scalar(fields.Field[Any]):
    """A string, a finite number or a boolean."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValidationError("Must be a finite number.")
        if isinstance(value, int) and abs(value) >= 1 << 63:
            return _approximate(value)
        if not isinstance(value, str | int | float):
            raise ValidationError("Must be a string, a number or true or false.")
        return value


def _approximate(value: int) -> float:
    """Beyond 64 bits a number is floating point, as it is in every event."""
    try:
        return float(value)
    except OverflowError:
        raise ValidationError("Must be a finite number.") from None


def _tested(*needed: str) -> Any:
    """A schema-level check that at least one comparison is there."""

    def check(self: Schema, data: Mapping[str, Any], **kwargs: Any) -> None:
        if not any(name in data for name in needed):
            raise ValidationError(f"Say what to compare with: one of {', '.join(needed)}.")

    return validates_schema(check)


class Comparisons(Form):
    """What a value is compared with; all that are given must hold."""

    eq = Scalar(metadata={"description": "equals"})
    ne = Scalar(metadata={"description": "does not equal; a missing value does not"})
    gt = Scalar(metadata={"description": "is greater, number to number or text to text"})
    gte = Scalar()
    lt = Scalar()
    lte = Scalar()
    contains = Scalar(metadata={"description": "text contains text, or a list the value"})
    exists = Flag()

    class Meta:
        """`in` is a word of Python's own."""

        include: ClassVar = {"in": fields.List(Scalar(), validate=validate.Length(1, 1000))}


_NAME = validate.Length(1, 512)


class PropertyFilter(Comparisons):
    """What a property of the event must satisfy; dots reach into nested objects."""

    property = fields.String(required=True, validate=_NAME)
    check = _tested(*OPERATORS)


class TraitCondition(Comparisons):
    """A trait satisfies every comparison."""

    trait = fields.String(required=True, validate=_NAME)
    check = _tested(*OPERATORS)


def _count() -> WholeNumber:
    return WholeNumber(validate=validate.Range(0, MAX_COUNT))


class Count(Form):
    """How often: whole numbers from 0 to 1000."""

    eq, ne, gt, gte, lt, lte = _count(), _count(), _count(), _count(), _count(), _count()
    check = _tested("eq", "ne", "gt", "gte", "lt", "lte")


_WITHIN: dict[str, Any] = {
    "validate": Written(_DURATION, error="Must be a whole number and a unit, 30s to 9999d."),
    "metadata": {"description": "30s, 15m, 48h, 7d or 2w", "example": "7d"},
}


class EventCondition(Form):
    """An event happened so often, by default at least once, within a window or ever."""

    event = fields.String(required=True, validate=_NAME)
    where = fields.List(fields.Nested(PropertyFilter), validate=validate.Length(0, 20))
    count = fields.Nested(Count)
    within = fields.String(**_WITHIN)


class SeenCondition(Form):
    """They did the first or the last of all they did within a time."""

    seen = fields.String(required=True, validate=validate.OneOf(["first", "last"]))
    within = fields.String(required=True, **_WITHIN)


class ConsentCondition(Form):
    """They allow a purpose, or one of its channels, now."""

    consent = fields.String(required=True, validate=validate.Length(1, 129))


class Condition(fields.Field[Any]):
    """The tree, each node told apart by the one field that names its kind; or a line of text."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        return _load(_read(value) if isinstance(value, str) else value, depth=1)


def _read(text: str) -> dict[str, Any]:
    from profiles.text import reading

    try:
        return reading.tree(text)
    except reading.Unclear as error:
        raise ValidationError(str(error)) from None


LEAVES = {
    "trait": TraitCondition,
    "event": EventCondition,
    "seen": SeenCondition,
    "consent": ConsentCondition,
}
_KINDS = ("all", "any", "not", *LEAVES)


def _load(value: Any, depth: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValidationError(f"Must be an object with one of {', '.join(_KINDS)}.")
    if depth > MAX_DEPTH:
        raise ValidationError(f"Conditions may nest {MAX_DEPTH} deep.")
    kinds = [kind for kind in _KINDS if kind in value]
    if len(kinds) != 1:
        raise ValidationError(f"Needs exactly one of {', '.join(_KINDS)}.")
    kind = kinds[0]
    if kind in LEAVES:
        loaded: dict[str, Any] = LEAVES[kind]().load(value)
        return loaded
    if len(value) > 1:
        raise ValidationError(f"Takes nothing beside {kind}.")
    inner = value[kind]
    if kind == "not":
        with _at("not"):
            return {"not": _load(inner, depth + 1)}
    if not isinstance(inner, list) or not 1 <= len(inner) <= MAX_LIST:
        raise ValidationError({kind: [f"Must be a list of 1 to {MAX_LIST} conditions."]})
    loaded_all = []
    for number, each in enumerate(inner):
        with _at(kind, number):
            loaded_all.append(_load(each, depth + 1))
    return {kind: loaded_all}


@contextmanager
def _at(*path: str | int) -> Iterator[None]:
    """Puts where in the tree an error was in front of it."""
    try:
        yield
    except ValidationError as error:
        told: Any = error.messages
        for step in reversed(path):
            told = {step: told}
        raise ValidationError(told) from None


def _size(where: Any) -> int:
    if isinstance(where, list):
        return sum(_size(each) for each in where)
    if not isinstance(where, dict):
        return 0
    return 1 + sum(_size(where.get(kind)) for kind in ("all", "any", "not"))


class SegmentSchema(Form):
    """A segment: a name, the purpose it serves and who is in it."""

    name = fields.String(required=True, validate=validate.Length(1, 200))
    purpose = fields.String(load_default="analytics", validate=validate.Length(1, 64))
    where = Condition(
        required=True,
        metadata={
            "example": {
                "all": [
                    {"trait": "country", "in": ["DE", "AT"]},
                    {
                        "event": "Order Completed",
                        "where": [{"property": "revenue", "gt": 50}],
                        "count": {"gte": 2},
                        "within": "90d",
                    },
                ]
            }
        },
    )

    @validates_schema
    def check_size(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """A bound on the whole tree."""
        if _size(data.get("where")) > MAX_CONDITIONS:
            raise ValidationError(f"May have {MAX_CONDITIONS} conditions in all.", "where")
