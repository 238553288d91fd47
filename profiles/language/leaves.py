"""Conditions as people write them, leaf by leaf; `schema` has the tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate, validates_schema

from cdp.forms import Flag, Form, WholeNumber, Written
from profiles.language.comparing import OPERATORS
from profiles.language.filters import MAX_FILTERS, NAME, Comparisons, Filter, Numeric, reads, tested
from profiles.language.parsing import ADDED, MEASURES, TIMED, VALUED
from profiles.language.spans import CALENDAR

MAX_COUNT = 1000
_DURATION = (
    "^([1-9][0-9]{0,7}s|[1-9][0-9]{0,6}m|[1-9][0-9]{0,4}h|[1-9][0-9]{0,3}d|[1-9][0-9]{0,2}w)$"
)
_KEY = validate.Length(1, 64)


class TraitCondition(Comparisons):
    """A trait satisfies every comparison."""

    trait = fields.String(required=True, validate=NAME)
    check = tested(*OPERATORS)

    class Meta(Comparisons.Meta):
        """`as` is a word of Python's own."""

        include: ClassVar[dict[str, fields.Field[Any]]] = {
            **Comparisons.Meta.include,
            "as": reads(),
        }


class ComputedCondition(Comparisons):
    """A computed trait, of what the segment's purpose may see, satisfies every comparison."""

    computed = fields.String(required=True, validate=_KEY)
    check = tested(*OPERATORS)


class IdentifierCondition(Comparisons):
    """They have an identifier of this namespace, one that satisfies every comparison."""

    identifier = fields.String(
        required=True, validate=validate.Length(1, 64), metadata={"example": "email"}
    )


class SegmentCondition(Form):
    """They are in another segment; both purposes must be allowed."""

    segment = fields.String(required=True, validate=_KEY)


def _count() -> WholeNumber:
    return WholeNumber(validate=validate.Range(0, MAX_COUNT))


class Count(Form):
    """How often: whole numbers from 0 to 1000."""

    eq, ne, gt, gte, lt, lte = _count(), _count(), _count(), _count(), _count(), _count()
    check = tested("eq", "ne", "gt", "gte", "lt", "lte")


_DURATIONS = Written(_DURATION, error="Must be a whole number and a unit, 30s to 9999d.")
WITHIN: dict[str, Any] = {
    "validate": _DURATIONS,
    "metadata": {"description": "30s, 15m, 48h, 7d or 2w", "example": "7d"},
}


def _long() -> fields.String:
    return fields.String(**WITHIN)


class Since(Form):
    """How long ago."""

    eq, ne, gt, gte, lt, lte = _long(), _long(), _long(), _long(), _long(), _long()
    check = tested("eq", "ne", "gt", "gte", "lt", "lte")


class Distinct(Count):
    """How many different values a property has; a list has each of its elements."""

    of = fields.String(required=True, validate=NAME)


class Amount(Form):
    """What the numbers of a property come to; texts that are numbers count as such."""

    of = fields.String(required=True, validate=NAME)
    eq, ne, gt, gte, lt, lte = (Numeric() for _ in range(6))
    exists = Flag()
    check = tested("eq", "ne", "gt", "gte", "lt", "lte", "exists")


class Value(Comparisons):
    """A value of a property."""

    of = fields.String(required=True, validate=NAME)
    check = tested(*OPERATORS)


class Of(Form):
    """The property that is looked at."""

    of = fields.String(required=True, validate=NAME)


class Nothing(Form):
    """An object without fields."""


def same_value() -> fields.String:
    return fields.String(
        validate=NAME,
        metadata={"description": "of events with the same value of this property"},
    )


def _during() -> fields.String:
    return fields.String(
        validate=validate.OneOf(CALENDAR),
        metadata={"description": "from midnight to midnight where the person lives"},
    )


class Spanned(Form):
    """What is looked at within a span of time, or ever."""

    within = fields.String(**WITHIN)
    during = _during()

    @validates_schema
    def check_span(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """One of the two at most."""
        if "within" in data and "during" in data:
            raise ValidationError("Takes within or during, not both.", "during")


class _Event(Spanned):
    """An event, or what its occurrences amount to."""

    event = fields.String(required=True, validate=NAME)
    where = fields.List(Filter(), validate=validate.Length(0, MAX_FILTERS))

    @validates_schema
    def check_measure(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """What goes together."""
        kinds = [each for each in MEASURES if each in data]
        if len(kinds) > 1:
            raise ValidationError(f"Takes {kinds[0]} or {kinds[1]}, not both.", kinds[1])
        timed = next((each for each in TIMED if each in data), None)
        if timed and ("within" in data or "during" in data):
            raise ValidationError("Is of all time: takes neither within nor during.", timed)
        if "same" in data and kinds not in ([], ["count"]):
            raise ValidationError("Goes with count alone.", "same")


class EventCondition(_Event):
    """An event happened so often, by default at least once; or what it amounts to compares."""

    same = same_value()

    class Meta:
        """Some are words of Python's own."""

        include: ClassVar = {
            "count": fields.Nested(Count),
            "days": fields.Nested(
                Count, metadata={"description": "on how many days, where the person lives"}
            ),
            **{each: fields.Nested(Since) for each in TIMED},
            **{each: fields.Nested(Amount) for each in ADDED},
            **{each: fields.Nested(Distinct if each == "distinct" else Value) for each in VALUED},
        }


class EventMeasure(_Event):
    """What an event amounts to: one of count, days, sum, distinct and so on."""

    class Meta:
        """Some are words of Python's own."""

        include: ClassVar = {
            each: fields.Nested(Of if each in {*ADDED, *VALUED} else Nothing) for each in MEASURES
        }


class PredictedMeasure(Form):
    """What a model says of a person."""

    predicted = fields.String(
        required=True, validate=_KEY, metadata={"description": "the key of a model"}
    )


class SeenCondition(Form):
    """They did the first or the last of all they did within a time."""

    seen = fields.String(required=True, validate=validate.OneOf(["first", "last"]))
    within = fields.String(required=True, **WITHIN)


class ConsentCondition(Form):
    """They allow a purpose, or one of its channels, now."""

    consent = fields.String(required=True, validate=validate.Length(1, 129))
