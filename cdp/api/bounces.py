"""POST /api/v1/bounces: what mail servers and providers say of e-mails that were sent."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from marshmallow import fields, validate
from starlette.responses import Response

import activation.store as delivery_store
import identity.store as identity_store
from activation.mail import reports
from activation.mail.reports import Report, Unreadable
from activation.mail.writing import address_of
from activation.model import MESSAGE, Delivery
from cdp import facts
from cdp.api import openapi, pages
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.api.samples import ID
from cdp.delivery import bouncing
from cdp.errors import Invalid, NotFound
from cdp.events import Identifier
from cdp.forms import Form, load
from cdp.log.writing import fact_of
from cdp.suppression import store as suppressions

_RAW = "message/rfc822"
_SAMPLE: dict[str, Any] = {"delivery": ID, "fact": "Email Bounced", "suppressed": True}


class BounceSchema(Form):
    """What a provider's webhook says, mapped to this."""

    message_id = fields.String(
        required=True,
        validate=validate.Length(1, 1000),
        metadata={"description": "the Message-ID that it was sent with"},
    )
    type = fields.String(required=True, validate=validate.OneOf(list(bouncing.NAMES)))
    status = fields.String(
        load_default="",
        validate=validate.Length(max=20),
        metadata={"description": "of RFC 3463; 5.1.x means that there is no such address"},
    )


@dataclass(frozen=True, slots=True)
class Bounces:
    """Taken in as facts of whom the e-mail was to."""

    parts: Parts

    def router(self) -> APIRouter:
        """The route."""
        routes = Routes("/api/v1/bounces", "Activation", self.parts.keys)
        about = openapi.write("An e-mail came back, or was a nuisance", "BounceSchema", _SAMPLE)
        bodies = about["openapi_extra"]["requestBody"]["content"]
        bodies[_RAW] = {"schema": {"type": "string", "format": "binary"}}
        routes.post("", self.take, "destinations:write", about)
        return routes.router

    async def take(self, request: Request) -> Response:
        """As JSON, or the message itself as it came back. Twice the same is one fact."""
        body = await pages.read_body(request)
        try:
            report = _read(request.headers.get("content-type", ""), body)
        except Unreadable as error:
            raise Invalid(f"message_id: {error}", field="message_id") from None
        delivery, address = await addressed(self.parts, report)
        await tell(self.parts, report, delivery, address)
        suppressed = False
        if report.lasting:
            async with self.parts.changing(request) as connection:
                subject = self.parts.vault.subject("email", address)
                why = suppressions.BOUNCED if report.kind == "bounced" else ""
                suppressed = await suppressions.suppress(connection, [subject], why) > 0
        told: Mapping[str, Any] = {
            "delivery": str(uuid.UUID(bytes=delivery.id)),
            "fact": bouncing.NAMES[report.kind],
            "suppressed": suppressed,
        }
        return pages.json(told)


async def addressed(parts: Parts, report: Report) -> tuple[Delivery, str]:
    """The delivery that it is about, and whom that was to; NotFound if that is nobody of ours."""
    async with parts.database.transaction() as connection:
        found = await delivery_store.lookup(connection, report.delivery)
        if found is None or found.kind != MESSAGE:
            raise NotFound("there is no such message: was it sent from here?")
        who = await identity_store.profile_of(connection, found.profile)
        profile = who or found.profile
        views = await parts.people.load(connection, [profile])
    address = address_of(views.get(profile, {}))
    if not address:
        raise NotFound("the person has no e-mail address any more")
    return found, address


async def tell(parts: Parts, report: Report, delivery: Delivery, address: str) -> None:
    """As a fact of theirs."""
    who = Identifier("email", address)
    event = bouncing.told(parts.vault, report, delivery, facts.about(who))
    await parts.appender.append([fact_of(event, parts.vault.subject(*who), consent=False)])


def _read(content_type: str, body: bytes) -> Report:
    if content_type.partition(";")[0].strip().lower() == _RAW:
        return reports.read(body)
    said, _ = load(BounceSchema(), body)
    return reports.report_of(said["type"], reports.delivery_of(said["message_id"]), said["status"])
