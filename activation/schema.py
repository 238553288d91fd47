"""What people write of every destination; each kind's own settings are in `activation.kinds`."""

from __future__ import annotations

import httpx
from marshmallow import ValidationError, fields, validate

from activation.addresses import is_forbidden_host
from cdp.forms import Flag, Form, Number, WholeNumber, Written

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
URL = Written(
    rf"^https?://({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(:[0-9]{{1,5}})?([/?][!-~]*)?$",
    error="Must be an http or https URL, in ASCII, without user and password.",
)


def _reachable(url: str) -> None:
    try:
        host, port = httpx.URL(url).host, httpx.URL(url).port
    except httpx.InvalidURL:
        host, port = "", 0
    if is_forbidden_host(host):
        raise ValidationError("Must not name an address that is never anybody's: see Activation.")
    if port is not None and not 1 <= port <= 65_535:
        raise ValidationError("Must name a host that can be reached, and a port from 1 to 65535.")


def url_field(example: str) -> fields.String:
    """A URL that a destination may be at."""
    return fields.String(
        required=True,
        validate=[validate.Length(max=2000), URL, _reachable],
        metadata={"example": example},
    )


def kind_field(kind: str) -> fields.String:
    """What tells a kind's form from the others'."""
    return fields.String(required=True, validate=validate.OneOf([kind], error=f"Must be {kind}."))


class DestinationForm(Form):
    """What every destination has, whatever its kind; a kind adds `kind` and its own settings."""

    segments = fields.List(
        fields.String(validate=validate.Length(1, 64)),
        load_default=list,
        metadata={"description": "keys of segments; leave it out for all of them"},
    )
    purpose = fields.String(
        load_default="",
        validate=validate.Length(max=64),
        metadata={"description": "consent needed for a send; the segment's purpose if left out"},
    )
    channel = fields.String(
        load_default="",
        validate=validate.Length(max=64),
        metadata={
            "description": "what it sends by, like email: people may allow a purpose by some "
            "of its channels only"
        },
    )
    max_attempts = WholeNumber(load_default=8, validate=validate.Range(1, 20))
    timeout = Number(
        load_default=10.0,
        validate=validate.Range(0.1, 30.0),
        metadata={"description": "seconds"},
    )
    concurrency = WholeNumber(
        load_default=64,
        validate=validate.Range(1, 64),
        metadata={"description": "tries at a time, of each worker"},
    )
    rate = Number(
        load_default=None,
        allow_none=True,
        validate=validate.Range(0.001, 10_000.0),
        metadata={
            "description": "deliveries a second at most, of all workers together, evenly spread; "
            "0.5 is one in two seconds"
        },
    )
    enabled = Flag(load_default=True)
    corrections = Flag(
        load_default=True,
        metadata={"description": "tell too of who is in or out because an event was corrected"},
    )
    consent_events = Flag(
        load_default=False,
        metadata={"description": "tell too when a yes, to `purpose` if given, has ended by itself"},
    )
