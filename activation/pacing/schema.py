"""What holds for all messages, as people write it."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

from activation.pacing.hours import clock, minute_of
from activation.pacing.model import Cap, Policy, Quiet
from cdp.forms import Form, WholeNumber, Written
from cdp.times import parse_duration

_CLOCK = Written("^([01][0-9]|2[0-3]):[0-5][0-9]$", error="Must be a time of day like 21:30.")
_LENGTH = Written("^[0-9]{1,4}[smhdw]$", error="Must be a number and a unit: 30m, 48h, 7d, 2w.")
_LONGEST = 366 * 86_400_000_000
_NAME = validate.Length(max=64)


def _some_time(value: str) -> None:
    if not 0 < parse_duration(value) <= _LONGEST:
        raise ValidationError("Must be longer than nothing, and 366 days at most.")


def _zone(value: str) -> None:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError("Must be a time zone's name, like Europe/Berlin.") from None


class CapSchema(Form):
    """At most so many messages to one person in any window of that length."""

    limit = WholeNumber(required=True, validate=validate.Range(0, 1000))
    window = fields.String(
        required=True, validate=[_LENGTH, _some_time], metadata={"example": "7d"}
    )
    channel = fields.String(
        load_default="", validate=_NAME, metadata={"description": "all together if left out"}
    )
    purpose = fields.String(
        load_default="", validate=_NAME, metadata={"description": "all together if left out"}
    )
    over = fields.String(
        load_default="drop",
        validate=validate.OneOf(["drop", "wait"], error="Must be drop or wait."),
        metadata={"description": "what becomes of a message for which there is no room"},
    )


class QuietSchema(Form):
    """Nothing is sent in these hours of the person's day."""

    begin = fields.String(
        required=True, data_key="from", validate=_CLOCK, metadata={"example": "21:00"}
    )
    end = fields.String(
        required=True, data_key="to", validate=_CLOCK, metadata={"example": "08:00"}
    )
    channels = fields.List(
        fields.String(validate=_NAME),
        load_default=list,
        validate=validate.Length(max=20),
        metadata={"description": "all if left out"},
    )


class PacingSchema(Form):
    """Caps, quiet hours, and how long a message may wait for either."""

    caps = fields.List(
        fields.Nested(CapSchema), load_default=list, validate=validate.Length(max=20)
    )
    quiet_hours = fields.List(
        fields.Nested(QuietSchema), load_default=list, validate=validate.Length(max=20)
    )
    patience = fields.String(load_default="3d", validate=[_LENGTH, _some_time])
    timezone = fields.String(
        load_default="UTC",
        validate=[validate.Length(max=64), _zone],
        metadata={"description": "of people of whom nothing tells it", "example": "Europe/Berlin"},
    )


def policy_of(loaded: Mapping[str, Any]) -> Policy:
    """What the form has, as a value."""
    return Policy(
        caps=tuple(
            Cap(
                each["limit"],
                parse_duration(each["window"]),
                each["channel"],
                each["purpose"],
                each["over"] == "wait",
            )
            for each in loaded["caps"]
        ),
        quiet=tuple(
            Quiet(minute_of(each["begin"]), minute_of(each["end"]), tuple(each["channels"]))
            for each in loaded["quiet_hours"]
        ),
        patience=parse_duration(loaded["patience"]),
        zone=loaded["timezone"],
    )


def written(policy: Policy) -> dict[str, Any]:
    """As people write it."""
    return {
        "caps": [
            {
                "limit": cap.limit,
                "window": _written(cap.window),
                "channel": cap.channel,
                "purpose": cap.purpose,
                "over": "wait" if cap.waits else "drop",
            }
            for cap in policy.caps
        ],
        "quiet_hours": [
            {"from": clock(each.begin), "to": clock(each.end), "channels": list(each.channels)}
            for each in policy.quiet
        ],
        "patience": _written(policy.patience),
        "timezone": policy.zone,
    }


def _written(micros: int) -> str:
    seconds = micros // 1_000_000
    unit, size = next(
        each
        for each in (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
        if seconds % each[1] == 0
    )
    return f"{seconds // size}{unit}"
