"""Segments and computed traits as people write them: validation, error messages and OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from cdp.forms import Form
from profiles.language.filters import at
from profiles.language.leaves import (
    ComputedCondition,
    ConsentCondition,
    EventCondition,
    EventMeasure,
    IdentifierCondition,
    PredictedMeasure,
    SeenCondition,
    SegmentCondition,
    TraitCondition,
)
from profiles.language.steps import SequenceCondition, SequenceMeasure
from profiles.language.text import reading

MAX_DEPTH = 16
MAX_CONDITIONS = 200  # in all
MAX_LIST = 100


class Condition(fields.Field[Any]):
    """The tree, each node told apart by the one field that names its kind; or a line of text."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            value = _understood(reading.tree, value)
        return _load(value, depth=1)


def _understood(read: Callable[[str], dict[str, Any]], text: str) -> dict[str, Any]:
    try:
        return read(text)
    except reading.Unclear as error:
        raise ValidationError(str(error)) from None


LEAVES = {
    "trait": TraitCondition,
    "computed": ComputedCondition,
    "identifier": IdentifierCondition,
    "segment": SegmentCondition,
    "event": EventCondition,
    "sequence": SequenceCondition,
    "seen": SeenCondition,
    "consent": ConsentCondition,
}
MEASURED = {"event": EventMeasure, "sequence": SequenceMeasure, "predicted": PredictedMeasure}
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
        return {kind: loaded[kind]} | loaded  # as people write it: what it is comes first
    if len(value) > 1:
        raise ValidationError(f"Takes nothing beside {kind}.")
    inner = value[kind]
    if kind == "not":
        with at("not"):
            return {"not": _load(inner, depth + 1)}
    if not isinstance(inner, list) or not 1 <= len(inner) <= MAX_LIST:
        raise ValidationError({kind: [f"Must be a list of 1 to {MAX_LIST} conditions."]})
    loaded_all = []
    for number, each in enumerate(inner):
        with at(kind, number):
            loaded_all.append(_load(each, depth + 1))
    return {kind: loaded_all}


def _size(where: Any) -> int:
    if isinstance(where, list):
        return sum(_size(each) for each in where)
    if not isinstance(where, dict):
        return 0
    return 1 + sum(_size(where.get(kind)) for kind in ("all", "any", "not"))


class PreviewSchema(Form):
    """Who would be in a segment, and the purpose it would serve."""

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


class SegmentSchema(PreviewSchema):
    """A segment: a name, the purpose it serves and who is in it."""

    name = fields.String(required=True, validate=validate.Length(1, 200))


class Measured(fields.Field[Any]):
    """What a computed trait is, as an object or a line of text."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            value = _understood(reading.value, value)
        kinds = [each for each in MEASURED if isinstance(value, dict) and each in value]
        if len(kinds) != 1:
            raise ValidationError(
                "Must be an object with event, sequence or predicted, or a line of text."
            )
        loaded: dict[str, Any] = MEASURED[kinds[0]]().load(value)
        return {kinds[0]: loaded[kinds[0]]} | loaded


class ComputedTraitSchema(Form):
    """A computed trait: a name, the purpose it is shown for and what it is."""

    name = fields.String(required=True, validate=validate.Length(1, 200))
    purpose = fields.String(load_default="analytics", validate=validate.Length(1, 64))
    value = Measured(
        required=True,
        metadata={"example": {"event": "Order Completed", "sum": {"of": "revenue"}}},
    )
