"""Campaigns as people write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from activation.campaigns.model import Campaign, Goal, On
from activation.campaigns.program import Unless, compiled
from activation.campaigns.triggers import KEY, TriggerSchema, schedule_of
from cdp.forms import Flag, Form, Number, WholeNumber, Written
from cdp.times import parse_duration

MAX_STEPS = 50
_MAX_DEPTH = 4
_LENGTH = Written("^[0-9]{1,4}[smhdw]$", error="Must be a number and a unit: 30m, 48h, 7d, 2w.")
_TIMING = Written(
    "^(best|([01][0-9]|2[0-3]):[0-5][0-9])?$",
    error="Must be a time of day like 18:30, or best; or leave it out for now.",
)
_NAME = validate.Length(1, 200)


class SendVariantSchema(Form):
    """One of several templates that are compared."""

    template = fields.String(required=True, validate=KEY)
    weight = WholeNumber(load_default=1, validate=validate.Range(1, 100))


class SendSchema(Form):
    """A message, by the first destination that the person may and can be reached by."""

    template = fields.String(validate=KEY)
    variants = fields.List(
        fields.Nested(SendVariantSchema),
        validate=validate.Length(2, 10),
        metadata={"description": "in place of template: each person is sent one of these, always"},
    )
    channels = fields.List(
        fields.String(validate=KEY),
        required=True,
        validate=validate.Length(1, 10),
        metadata={"description": "keys of destinations, in order"},
    )
    timing = fields.String(
        load_default="",
        validate=_TIMING,
        metadata={"description": "HH:MM where the person is, best, or now if left out"},
    )

    @validates_schema
    def _one(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("template" in data) == ("variants" in data):
            raise ValidationError("Say what to send: template or variants, one of them.")


class StepSchema(Form):
    """Send something, wait, or go one way or the other; one of these."""

    send = fields.Nested(SendSchema)
    wait = fields.String(validate=_LENGTH, metadata={"example": "2d"})
    inside = fields.String(
        data_key="if", validate=KEY, metadata={"description": "a segment that the person is in"}
    )
    then = fields.List(fields.Nested("StepSchema"), load_default=list)
    otherwise = fields.List(fields.Nested("StepSchema"), data_key="else", load_default=list)

    @validates_schema
    def _one(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if sum(name in data for name in ("send", "wait", "inside")) != 1:
            raise ValidationError("A step is one of send, wait and if.")
        if (data.get("then") or data.get("otherwise")) and "inside" not in data:
            raise ValidationError("then and else go with if.")


class GoalSchema(Form):
    """What it is for: an event within a time of the beginning."""

    event = fields.String(required=True, validate=_NAME, metadata={"example": "Order Completed"})
    within = fields.String(load_default="7d", validate=_LENGTH)
    leaves = Flag(load_default=True, metadata={"description": "whoever reaches it goes no further"})
    value = fields.String(
        load_default="",
        validate=validate.Length(max=200),
        metadata={"description": "the property with its worth; revenue or total if left out"},
    )


class CampaignSchema(Form):
    """What is sent to whom, because of what."""

    name = fields.String(required=True, validate=_NAME, metadata={"example": "Abandoned cart"})
    trigger = fields.Nested(TriggerSchema, required=True)
    purpose = fields.String(
        required=True,
        validate=validate.Length(1, 64),
        metadata={"example": "marketing_email", "description": "what people must allow"},
    )
    steps = fields.List(
        fields.Nested(StepSchema), required=True, validate=validate.Length(1, MAX_STEPS)
    )
    audience = fields.String(
        load_default="",
        validate=validate.Length(max=64),
        metadata={"description": "a segment that whoever begins is in"},
    )
    outside = fields.String(
        data_key="exclude",
        load_default="",
        validate=validate.Length(max=64),
        metadata={"description": "a segment that nobody in the campaign is in"},
    )
    goal = fields.Nested(GoalSchema)
    holdout = Number(
        load_default=0.0,
        validate=validate.Range(0, 0.9),
        metadata={"description": "share of people who are sent nothing, to compare with"},
    )
    again = fields.String(
        validate=_LENGTH,
        metadata={"description": "after how long somebody may begin anew; never if left out"},
    )
    priority = WholeNumber(load_default=0, validate=validate.Range(-1000, 1000))
    corrections = Flag(
        load_default=False,
        metadata={"description": "begin too because an event was corrected"},
    )

    @validates_schema
    def _bounded(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        steps = data.get("steps", [])
        if "schedule" in data.get("trigger", {}) and not data.get("audience"):
            raise ValidationError("Must be there with a schedule: who is to begin.", "audience")
        if _depth(steps) > _MAX_DEPTH:
            raise ValidationError(f"Steps may nest {_MAX_DEPTH} deep.", "steps")
        if len(compiled(instructions(steps))) > 4 * MAX_STEPS:
            raise ValidationError(f"At most {MAX_STEPS} steps in all.", "steps")


def _depth(steps: Sequence[Mapping[str, Any]]) -> int:
    inner = [_depth(each["then"] + each["otherwise"]) for each in steps if "inside" in each]
    return 1 + max(inner, default=0)


def instructions(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Steps as the form loads them, as what is compiled."""
    found: list[dict[str, Any]] = []
    for each in steps:
        if "send" in each:
            found.append({"send": each["send"]})
        elif "wait" in each:
            found.append({"wait": parse_duration(each["wait"])})
        else:
            found.append(
                {
                    "if": each["inside"],
                    "then": instructions(each["then"]),
                    "else": instructions(each["otherwise"]),
                }
            )
    return found


def campaign_of(
    key: str, version: int, loaded: Mapping[str, Any], *, paused: bool = False
) -> Campaign:
    """What the form has, as a value."""
    trigger = loaded["trigger"]
    goal = loaded.get("goal")
    return Campaign(
        key,
        version,
        _on(trigger),
        trigger.get("segment") or trigger.get("event", ""),
        loaded["purpose"],
        compiled(instructions(loaded["steps"])),
        loaded["audience"],
        loaded["outside"],
        _goal(goal) if goal else None,
        loaded["holdout"],
        parse_duration(loaded["again"]) if "again" in loaded else None,
        loaded["priority"],
        paused,
        loaded["corrections"],
        tuple(trigger.get("where", ())),
        schedule_of(trigger["schedule"]) if "schedule" in trigger else None,
    )


def _goal(said: Mapping[str, Any]) -> Goal:
    return Goal(said["event"], parse_duration(said["within"]), said["leaves"], said["value"])


def _on(trigger: Mapping[str, Any]) -> On:
    if "segment" in trigger:
        found: On = trigger["on"]
        return found
    return "event" if "event" in trigger else "call" if "call" in trigger else "schedule"


def segments_of(campaign: Campaign) -> set[str]:
    """The segments that it names."""
    named = {campaign.audience, campaign.exclude} - {""}
    named |= {each.segment for each in campaign.program if isinstance(each, Unless)}
    return named | ({campaign.segment} if campaign.on in {"entered", "left"} else set())
