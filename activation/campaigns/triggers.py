"""What begins journeys, as people write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from activation.campaigns import schedules
from activation.campaigns.schedules import PERSON, Schedule
from activation.pacing import hours
from cdp.forms import Flag, Form, Written

_NAME = validate.Length(1, 200)
KEY = Written(
    "^[a-z0-9][a-z0-9_-]{0,63}$",
    error="Must be lower-case letters, digits, - and _, at most 64.",
)
_WALL = Written(
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$",
    error="Must be a time on a wall, without a zone: 2026-12-01T09:00:00.",
)


def _zone(value: str) -> None:
    if value != PERSON and not hours.is_place(value):
        raise ValidationError("Must be a time zone's name, like Europe/Berlin, or person.")


class ScheduleSchema(Form):
    """When it comes: a crontab line, or one time."""

    cron = fields.String(
        validate=validate.Length(1, 100),
        metadata={"description": "minute hour day month weekday", "example": "0 9 * * 1"},
    )
    at = fields.String(
        validate=_WALL, metadata={"description": "once", "example": "2026-12-01T09:00:00"}
    )
    timezone = fields.String(
        load_default="UTC",
        validate=[validate.Length(max=64), _zone],
        metadata={"description": "a zone, or person: where each of them lives"},
    )

    @validates_schema
    def _one(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("cron" in data) == ("at" in data):
            raise ValidationError("Say when: cron or at, one of them.")
        try:
            schedules.checked(schedule_of(data))
        except ValueError as error:
            raise ValidationError(f"{error}.", "at" if "at" in data else "cron") from None


def schedule_of(loaded: Mapping[str, Any]) -> Schedule:
    """What the form has, as a value."""
    return Schedule(loaded.get("cron", ""), loaded.get("at", ""), loaded["timezone"])


class Filters(fields.List[dict[str, Any]]):
    """Conditions on properties as segments have them, or one; what they are is checked there."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize([value] if isinstance(value, dict) else value, attr, data)


class TriggerSchema(Form):
    """What begins a journey: one of these."""

    segment = fields.String(
        validate=KEY, metadata={"description": "entering it, or leaving it (`on`)"}
    )
    on = fields.String(
        load_default="entered",
        validate=validate.OneOf(["entered", "left"], error="Must be entered or left."),
        metadata={"description": "with segment"},
    )
    event = fields.String(validate=_NAME, metadata={"description": "each time it happens"})
    where = Filters(
        fields.Dict(),
        validate=validate.Length(1, 20),
        metadata={
            "description": "with event: what its properties must satisfy, as in segments",
            "example": [{"property": "revenue", "gt": 50}],
        },
    )
    call = Flag(metadata={"description": "true: only POST …/trigger does"})
    schedule = fields.Nested(
        ScheduleSchema, metadata={"description": "for everybody who is in the audience then"}
    )

    @validates_schema
    def _one(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if sum(name in data for name in ("segment", "event", "call", "schedule")) != 1:
            raise ValidationError("Say what begins it: one of segment, event, call, schedule.")
        if "where" in data and "event" not in data:
            raise ValidationError("where goes with event.", "where")
