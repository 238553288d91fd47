"""A browser's subscription as its page hands it over (Push API, `PushSubscription.toJSON`)."""

from __future__ import annotations

from typing import Any

import httpx
from marshmallow import EXCLUDE, ValidationError, fields, validate, validates_schema

from activation.push.sealing import padded, point
from activation.schema import URL
from cdp.forms import Form, Written


def _key(text: str) -> None:
    try:
        point(text)
    except ValueError:
        raise ValidationError("Must be the browser's key: a point on P-256.") from None


def _secret(text: str) -> None:
    try:
        size = len(padded(text))
    except ValueError:
        size = 0
    if size != 16:
        raise ValidationError("Must be the browser's secret: 16 bytes.")


def _endpoint(text: str) -> None:
    try:
        host = httpx.URL(text).host
    except httpx.InvalidURL:
        host = ""
    if not host:
        raise ValidationError("Must be the URL of a push service.")


class BrowserKeys(Form):
    """What payloads are sealed with."""

    p256dh = fields.String(required=True, validate=[validate.Length(max=100), _key])
    auth = fields.String(required=True, validate=[validate.Length(max=40), _secret])


class BrowserSubscription(Form):
    """Where one browser takes messages."""

    class Meta:
        """Browsers add fields of their own, like `expirationTime`."""

        unknown = EXCLUDE

    endpoint = fields.String(required=True, validate=[validate.Length(max=2000), URL, _endpoint])
    keys = fields.Nested(BrowserKeys, required=True)


_TOKEN = Written("^[A-Za-z0-9:_-]*$", error="Must be a device's token: letters, digits, : _ -")


class SubscribingSchema(Form):
    """A browser or an app that takes push messages, and whose it is."""

    class Meta:
        """cdp.js sends the context of an event with it."""

        unknown = EXCLUDE

    kind = fields.String(
        load_default="webpush", validate=validate.OneOf(["webpush", "fcm", "apns"])
    )
    subscription = fields.Nested(
        BrowserSubscription, metadata={"description": "of a browser (webpush)"}
    )
    token = fields.String(
        validate=[validate.Length(1, 4096), _TOKEN],
        metadata={"description": "of an app (fcm, apns), as its device has it"},
    )
    user_id = fields.String(data_key="userId", load_default="", validate=validate.Length(max=512))
    anonymous_id = fields.String(
        data_key="anonymousId", load_default="", validate=validate.Length(max=512)
    )
    write_key = fields.String(
        data_key="writeKey", load_default="", validate=validate.Length(max=200)
    )
    removed = fields.Boolean(
        load_default=False, metadata={"description": "it takes no messages any more"}
    )

    @validates_schema(skip_on_field_errors=True)
    def _says_where(self, data: dict[str, Any], **_: Any) -> None:
        wanted = "subscription" if data["kind"] == "webpush" else "token"
        if wanted not in data:
            raise ValidationError({wanted: [f"Must be there: the kind is {data['kind']}."]})


def address(loaded: dict[str, Any]) -> str:
    """What tells one device from another."""
    told: str = loaded["subscription"]["endpoint"] if _browser(loaded) else loaded["token"]
    return told


def kept(loaded: dict[str, Any]) -> dict[str, Any]:
    """What a profile keeps of it."""
    if not _browser(loaded):
        return {"token": loaded["token"]}
    return {"endpoint": loaded["subscription"]["endpoint"], **loaded["subscription"]["keys"]}


def _browser(loaded: dict[str, Any]) -> bool:
    return bool(loaded["kind"] == "webpush")
