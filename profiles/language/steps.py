"""Sequences of events as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate, validates_schema

from cdp.forms import Form
from cdp.times import parse_duration
from profiles.language.filters import MAX_FILTERS, NAME, Filter, at
from profiles.language.leaves import WITHIN, Count, Spanned, same_value

MAX_STEPS = 10


class Other(Form):
    """An event that must not lie between."""

    event = fields.String(required=True, validate=NAME)
    where = fields.List(Filter(), validate=validate.Length(0, MAX_FILTERS))


class Step(Other):
    """An event of a sequence, and its limits from the one before."""

    after = fields.String(**WITHIN)
    within = fields.String(**WITHIN)
    without = fields.List(fields.Nested(Other), validate=validate.Length(0, MAX_STEPS))


class Lacking(Form):
    """An event that must not come."""

    no = fields.String(required=True, validate=NAME)
    where = fields.List(Filter(), validate=validate.Length(0, MAX_FILTERS))

    class Meta:
        """`for` is a word of Python's own."""

        include: ClassVar = {"for": fields.String(required=True, **WITHIN)}


class StepOrLacking(fields.Field[Any]):
    """A step, or what must not come after the last."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        form = Lacking() if isinstance(value, dict) and "no" in value else Step()
        return form.load(value)


class _Sequence(Spanned):
    """One event after the other; the last may be one that does not come."""

    sequence = fields.List(StepOrLacking(), required=True, validate=validate.Length(2, MAX_STEPS))
    same = same_value()

    @validates_schema
    def check_steps(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Where limits may be."""
        for number, step in enumerate(data["sequence"]):
            with at("sequence", number):
                _check_step(step, first=not number, last=number == len(data["sequence"]) - 1)


def _check_step(step: Mapping[str, Any], *, first: bool, last: bool) -> None:
    if "no" in step and (first or not last):
        raise ValidationError("What must not come is the last of a sequence.", "no")
    limit = next((each for each in ("after", "within", "without") if each in step), None)
    if first and limit:
        raise ValidationError("The first step has nothing before it.", limit)
    after, within = (parse_duration(step[each]) if each in step else None for each in _LIMITS)
    if after is not None and within is not None and after > within:
        raise ValidationError("Is longer than within.", "after")


_LIMITS = ("after", "within")


class SequenceCondition(_Sequence):
    """A sequence happened so often, by default at least once."""

    count = fields.Nested(Count)


class SequenceMeasure(_Sequence):
    """How often a sequence happened."""
