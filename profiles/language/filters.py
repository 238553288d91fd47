"""Comparisons and filters of properties as people write them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from cdp.forms import Flag, Form
from cdp.times import moment
from profiles.language.comparing import OPERATORS, READINGS, point

MAX_FILTERS = 20  # side by side, and so many deep groups of them: MAX_FILTER_DEPTH
MAX_FILTER_DEPTH = 4


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


class Numeric(Scalar):
    """A finite number."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str | bool):
            raise ValidationError("Must be a number.")
        return super()._deserialize(value, attr, data, **kwargs)


def _approximate(value: int) -> float:
    """Beyond 64 bits a number is floating point, as it is in every event."""
    try:
        return float(value)
    except OverflowError:
        raise ValidationError("Must be a finite number.") from None


def tested(*needed: str) -> Any:
    """A schema-level check that at least one comparison is there."""

    def check(self: Schema, data: Mapping[str, Any], **kwargs: Any) -> None:
        if not any(name in data for name in needed):
            raise ValidationError(f"Say what to compare with: one of {', '.join(needed)}.")

    return validates_schema(check)


class Moment(fields.String):
    """A point in time: a date and time, or so long from now."""

    def __init__(self, *, relative: bool = True, **options: Any) -> None:
        shown = "2026-01-31, 30d ago or in 7d" if relative else "2026-01-31 or a time with it"
        super().__init__(metadata={"description": shown, "example": "2026-01-31"}, **options)
        self._relative, self._shown = relative, shown

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        found = super()._deserialize(value, attr, data, **kwargs)
        try:
            point(found) if self._relative else moment(found)
        except ValueError as error:
            raise ValidationError(f"{error}; write {self._shown}.") from None
        return found


class Comparisons(Form):
    """What a value is compared with; all that are given must hold."""

    eq = Scalar(metadata={"description": "equals"})
    ne = Scalar(metadata={"description": "does not equal, or is missing"})
    gt = Scalar(metadata={"description": "is greater, number to number or text to text"})
    gte = Scalar()
    lt = Scalar()
    lte = Scalar()
    contains = Scalar(metadata={"description": "text contains text, or a list the value"})
    starts_with = fields.String()
    ends_with = fields.String()
    before = Moment()
    after = Moment()
    exists = Flag()

    class Meta:
        """`in` is a word of Python's own."""

        include: ClassVar[dict[str, fields.Field[Any]]] = {
            "in": fields.List(Scalar(), validate=validate.Length(1, 1000))
        }


NAME = validate.Length(1, 512)


def reads() -> fields.String:
    return fields.String(
        validate=validate.OneOf([each for each in READINGS if each]),
        metadata={"description": "what it is read as before it is compared"},
    )


class PropertyFilter(Comparisons):
    """What a property of the event must satisfy; dots reach into nested objects and lists."""

    property = fields.String(required=True, validate=NAME)
    before = Moment(relative=False)
    after = Moment(relative=False)
    check = tested(*OPERATORS)

    class Meta(Comparisons.Meta):
        """`as` is a word of Python's own."""

        include: ClassVar[dict[str, fields.Field[Any]]] = {
            **Comparisons.Meta.include,
            "as": reads(),
        }


class Filter(fields.Field[Any]):
    """A property filter, or several under all, any or not."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        return _filter(value, 1)


def _filter(value: Any, depth: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValidationError("Must be an object with property, all, any or not.")
    if depth > MAX_FILTER_DEPTH:
        raise ValidationError(f"Filters may nest {MAX_FILTER_DEPTH} deep.")
    group = next((each for each in ("all", "any", "not") if each in value), None)
    if group is None:
        loaded: dict[str, Any] = PropertyFilter().load(value)
        return {"property": loaded["property"]} | loaded
    if len(value) > 1:
        raise ValidationError(f"Takes nothing beside {group}.")
    inner = value[group]
    if group == "not":
        with at("not"):
            return {"not": _filter(inner, depth + 1)}
    if not isinstance(inner, list) or not 1 <= len(inner) <= MAX_FILTERS:
        raise ValidationError({group: [f"Must be a list of 1 to {MAX_FILTERS} filters."]})
    found = []
    for number, each in enumerate(inner):
        with at(group, number):
            found.append(_filter(each, depth + 1))
    return {group: found}


@contextmanager
def at(*path: str | int) -> Iterator[None]:
    """Puts where in the tree an error was in front of it."""
    try:
        yield
    except ValidationError as error:
        told: Any = error.messages
        for step in reversed(path):
            told = {step: told}
        raise ValidationError(told) from None
