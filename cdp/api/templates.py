"""Templates: what messages say; looked at for a person before they are sent, and sent for a try."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from marshmallow import fields, validate
from starlette.responses import Response

import activation.campaigns.versions as campaigns
import activation.store as delivery_store
from activation import letters
from activation.campaigns.program import Send
from activation.composing import Asked, Composing, Unsaid
from activation.kinds import KINDS
from activation.letters import Letter
from activation.model import MESSAGE, Delivery, needed
from activation.templates import mjml, store
from activation.templates.mjml import Uncompiled
from activation.templates.model import Template
from activation.templates.schema import TemplateSchema
from cdp import times
from cdp.api import openapi, pages, refs
from cdp.api import samples_templates as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.delivery import composing
from cdp.errors import Conflict, Invalid, NotFound
from cdp.events import DELIVERIES, ProfileId
from cdp.forms import Form, load
from cdp.log import store as log_store
from cdp.log.store import Message
from cdp.privacy import telling
from cdp.times import from_datetime, iso


class TemplatePreviewSchema(Form):
    """Whom it is to be looked at for."""

    profile = fields.String(required=True, metadata={"example": "user_id:ada"})
    event = fields.String(
        load_default="",
        validate=validate.Regexp("^([0-9a-f]{32})?$", error="Must be an event's id."),
        metadata={"description": "id of the event that began it"},
    )


class TemplateTrySchema(Form):
    """Whom it is to be sent to, by which destination, and for which purpose."""

    profile = fields.String(required=True, metadata={"example": "user_id:ada"})
    destination = fields.String(required=True, metadata={"example": "mail"})
    purpose = fields.String(required=True, metadata={"example": "marketing_email"})


@dataclass(frozen=True, slots=True)
class Templates:
    """Everything about templates."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/templates", "Activation", self.parts.keys)
        see, change = "campaigns:read", "campaigns:write"
        routes.get("", self.list_templates, see, openapi.read("All templates", samples.TEMPLATES))
        routes.put(
            "/{key}",
            self.put_template,
            change,
            openapi.write("Define a template", "TemplateSchema", samples.TEMPLATE, named="key"),
        )
        routes.get(
            "/{key}",
            self.get_template,
            see,
            openapi.read("One template", samples.TEMPLATE, named="key"),
        )
        routes.delete(
            "/{key}",
            self.delete_template,
            change,
            openapi.delete("Delete a template"),
        )
        routes.get(
            "/{key}/versions",
            self.get_versions,
            see,
            openapi.read("What a template was and is", samples.VERSIONS, named="key"),
        )
        routes.post(
            "/{key}/preview",
            self.preview,
            see,
            openapi.write(
                "What it says to somebody", "TemplatePreviewSchema", samples.PREVIEW, named="key"
            ),
            personal=True,
        )
        routes.post(
            "/{key}/send",
            self.send,
            change,
            openapi.write(
                "Send it to somebody, for a try", "TemplateTrySchema", samples.SENT, named="key"
            ),
        )
        return routes.router

    async def list_templates(self, request: Request) -> Response:
        """Every template."""
        async with self.parts.database.transaction() as connection:
            found = await store.written(connection)
        return pages.json({"templates": [_shown(*each) for each in found]})

    async def put_template(self, request: Request) -> Response:
        """A new version, if it says anything else."""
        key = refs.key(request)
        _, said = load(TemplateSchema(), await pages.read_body(request))
        made = await _with_html(said)
        async with self.parts.changing(request) as connection:
            before = await store.find(connection, key)
            if before is None or before[1] != said:
                await store.put(connection, key, made, said)
            return pages.json(_shown(*await _found(connection, key)))

    async def get_template(self, request: Request) -> Response:
        """One template."""
        async with self.parts.database.transaction() as connection:
            return pages.json(_shown(*await _found(connection, refs.key(request))))

    async def delete_template(self, request: Request) -> Response:
        """Remove one that no campaign sends."""
        key = refs.key(request)
        async with self.parts.changing(request) as connection:
            users = [
                each.key
                for each in await campaigns.live(connection)
                if any(isinstance(op, Send) and key in op.templates for op in each.program)
            ]
            if users:
                told = f"{key} is used by campaign {users[0]}; change or delete that first"
                raise Conflict(told)
            if not await store.delete(connection, key):
                raise NotFound(f"there is no template {key}")
        return Response(status_code=204)

    async def get_versions(self, request: Request) -> Response:
        """Each, the latest first."""
        async with self.parts.database.transaction() as connection:
            found = await store.versions(connection, refs.key(request))
        if not found:
            raise NotFound("there was never such a template")
        told = [
            {"version": number, "made_at": iso(from_datetime(at)), "template": config}
            for number, config, at in found
        ]
        return pages.json({"versions": told})

    async def preview(self, request: Request) -> Response:
        """As it would be sent now; nothing is sent."""
        loaded, _ = load(TemplatePreviewSchema(), await pages.read_body(request))
        key, people = refs.key(request), self.parts.people
        made = Composing(composing.properties(people.keyring), lambda *_: dict(_SHOWN_LINKS))
        async with self.parts.database.transaction() as connection:
            template, _ = await _found(connection, key)
            profile = await self._who(connection, loaded["profile"])
            view = (await people.load(connection, [profile])).get(profile, {})
            delivery = Delivery(b"preview", "", profile, "", MESSAGE, times.now(), "")
            asked = Asked(delivery, {"template": key, "event": loaded["event"]}, view)
            found = (await made.compose(connection, [asked]))[delivery.id]
        if isinstance(found, Unsaid):
            raise Conflict(found.reason)
        hidden = {"template", "event", "links"}
        fields_ = {name: value for name, value in found.items() if name not in hidden}
        return pages.json({"key": key, "version": template.version, "message": fields_})

    async def send(self, request: Request) -> Response:
        """Through every gate that a campaign's message goes through; the ledger says what came."""
        loaded, _ = load(TemplateTrySchema(), await pages.read_body(request))
        parts, key, name = self.parts, refs.key(request), loaded["destination"]
        async with parts.changing(request) as connection:
            template, _ = await _found(connection, key)
            await refs.known_purpose(connection, loaded["purpose"])
            stored = await delivery_store.find(connection, name)
            if stored is None:
                raise Invalid(f"destination: there is no destination {name}", field="destination")
            if template.channel not in KINDS[stored.destination.kind].messages:
                told = f"destination: {name} carries no {template.channel} message"
                raise Invalid(told, field="destination")
            profile = await self._who(connection, loaded["profile"])
            purpose = needed(loaded["purpose"], stored.destination)
            now = times.now()
            delivery = Delivery(uuid.uuid4().bytes, name, profile, "", MESSAGE, now, purpose)
            letter = Letter(delivery, {"template": key, "campaign": "", "step": 0})
            system = parts.vault.system
            await letters.write(
                connection, [letter], lambda place, says: telling.sealed(system, place, says)
            )
            message = Message(DELIVERIES, name.encode() + profile, delivery.id)
            await log_store.emit(connection, [message], parts.partitions)
        return pages.json({"delivery": str(uuid.UUID(bytes=delivery.id)), "destination": name})

    async def _who(self, connection: Connection, ref: str) -> ProfileId:
        return await refs.profile_of(connection, ref, self.parts.vault.subject)


_SHOWN_LINKS = {
    "unsubscribe": "https://example.com/unsubscribe",
    "preferences": "https://example.com/preferences",
}


async def _with_html(said: dict[str, Any]) -> dict[str, Any]:
    """What it says, with HTML in the place of MJML."""
    texts: dict[str, Any] = {}
    for language, fields_ in said["texts"].items():
        texts[language] = dict(fields_)
        if said["channel"] == "email" and "mjml" in fields_:
            where = f"texts.{language}.mjml"
            try:
                texts[language]["html"] = await mjml.compiled(texts[language].pop("mjml"))
            except Uncompiled as error:
                raise Invalid(f"{where}: {error}", field=where) from None
    made = said | {"texts": texts}
    if texts != said["texts"]:
        load(TemplateSchema(), msgspec.json.encode(made))
    return made


async def _found(connection: Connection, key: str) -> tuple[Template, dict[str, Any]]:
    found = await store.find(connection, key)
    if found is None:
        raise NotFound(f"there is no template {key}")
    return found


def _shown(template: Template, said: dict[str, Any]) -> dict[str, Any]:
    return {"key": template.key, "version": template.version, **said}
