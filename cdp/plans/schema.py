"""A tracking plan as its owners write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

from cdp.forms import Form
from cdp.plans.checking import Unfit, check
from cdp.plans.model import Plan

MAX_EVENTS = 500
MAX_NAME = 512  # characters: what an event may be called


class Events(fields.Field[dict[str, Any]]):
    """By event: the JSON Schema of its properties. Errors name the event and the place in it."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("Must be an object: by event, the JSON Schema of its properties.")
        if len(value) > MAX_EVENTS:
            raise ValidationError(f"Must be at most {MAX_EVENTS} events.")
        problems = {name: found for name, each in value.items() if (found := _problem(name, each))}
        if problems:
            raise ValidationError(problems)
        return value


class TrackingPlanSchema(Form):
    """What a source may send."""

    owner = fields.String(
        required=True,
        validate=validate.Length(1, 200),
        metadata={"description": "who answers for it", "example": "shop team"},
    )
    unplanned = fields.String(
        load_default="allow",
        validate=validate.OneOf(["allow", "quarantine"]),
        metadata={"description": "what becomes of events that it does not name"},
    )
    violations = fields.String(
        load_default="allow",
        validate=validate.OneOf(["allow", "strip", "quarantine"]),
        metadata={
            "description": "what becomes of events that break it: kept as they are, kept without "
            "the properties that do, or put in quarantine"
        },
    )
    events = Events(
        required=True,
        metadata={
            "description": "by name (of track calls, or page, screen): the JSON Schema of its "
            "properties, draft 2020-12, without references to anything else"
        },
    )


def plan_of(source: int, version: int, loaded: Mapping[str, Any]) -> Plan:
    """The plan that a checked form says."""
    return Plan(
        source,
        version,
        loaded["owner"],
        loaded["unplanned"],
        loaded["violations"],
        loaded["events"],
    )


def written(plan: Plan) -> dict[str, Any]:
    """A plan as the form takes it."""
    return {
        "owner": plan.owner,
        "unplanned": plan.unplanned,
        "violations": plan.violations,
        "events": dict(plan.events),
    }


def _problem(name: str, schema: Any) -> Any:
    if not 1 <= len(name) <= MAX_NAME:
        return [f"Must be the name of an event, of at most {MAX_NAME} characters."]
    if not isinstance(schema, dict):
        return ["Must be a JSON Schema, as an object."]
    try:
        check(schema)
    except Unfit as unfit:
        found: Any = [unfit.reason]
        for each in reversed(unfit.path):
            found = {each: found}
        return found
    return None
