"""Campaigns: defined, paused, called."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from marshmallow import fields, validate
from starlette.responses import Response

import activation.store as delivery_store
import activation.templates.store as templates
from activation.campaigns import store, versions
from activation.campaigns.model import Campaign
from activation.campaigns.program import Send
from activation.campaigns.schema import CampaignSchema, campaign_of, segments_of
from activation.campaigns.store import Heard
from activation.kinds import KINDS
from cdp import times, touches
from cdp.api import openapi, pages, refs
from cdp.api import samples_campaigns as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Conflict, Invalid, NotFound
from cdp.events import TOUCHED
from cdp.forms import Form, load
from cdp.log import store as log_store
from cdp.log.store import Message
from cdp.times import from_datetime, iso
from profiles import segments
from profiles.language.properties import PropertiesSchema

_NAMESPACE = uuid.UUID("0b3f4f1e-7f0c-5c86-9a55-5f0d2a4c9e21")


class CampaignCallSchema(Form):
    """Somebody who is to begin a campaign."""

    profile = fields.String(required=True, metadata={"example": "user_id:ada"})
    id = fields.String(
        validate=validate.Length(1, 200),
        metadata={"description": "said again with the same id, it is the same call"},
    )


@dataclass(frozen=True, slots=True)
class Campaigns:
    """Everything about campaigns."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/campaigns", "Activation", self.parts.keys)
        see, change = "campaigns:read", "campaigns:write"
        one = openapi.read("One campaign", samples.CAMPAIGN, named="key")
        routes.get("", self.list_campaigns, see, openapi.read("All campaigns", samples.CAMPAIGNS))
        routes.put(
            "/{key}",
            self.put_campaign,
            change,
            openapi.write("Define a campaign", "CampaignSchema", samples.CAMPAIGN, named="key"),
        )
        routes.get("/{key}", self.get_campaign, see, one)
        routes.delete(
            "/{key}",
            self.delete_campaign,
            change,
            openapi.delete("Delete a campaign; journeys end, what was sent stays in the ledger"),
        )
        routes.get(
            "/{key}/versions",
            self.get_versions,
            see,
            openapi.read("What a campaign was and is", samples.VERSIONS, named="key"),
        )
        for word, handler in (("pause", self.pause), ("resume", self.resume)):
            told = f"{word.capitalize()} a campaign"
            about = openapi.act(told, samples.CAMPAIGN, named="key")
            routes.post(f"/{{key}}/{word}", handler, change, about)
        routes.post(
            "/{key}/trigger",
            self.call,
            change,
            openapi.write(
                "Begin it for somebody", "CampaignCallSchema", samples.CALLED, named="key"
            ),
        )
        return routes.router

    async def list_campaigns(self, request: Request) -> Response:
        """Every campaign."""
        async with self.parts.database.transaction() as connection:
            found = await versions.written(connection)
        return pages.json({"campaigns": [_shown(*each) for each in found]})

    async def put_campaign(self, request: Request) -> Response:
        """A new version, if it says anything else; journeys under way go on with theirs."""
        key = refs.key(request)
        loaded, said = load(CampaignSchema(), await pages.read_body(request))
        _checked(loaded["trigger"])
        campaign = campaign_of(key, 0, loaded)
        async with self.parts.changing(request) as connection:
            await refs.known_purpose(connection, campaign.purpose)
            await _named(connection, campaign)
            before = await versions.find(connection, key)
            if before is None or before[1] != said:
                await versions.put(connection, key, said)
            return pages.json(_shown(*await versions.known(connection, key)))

    async def get_campaign(self, request: Request) -> Response:
        """One campaign."""
        async with self.parts.database.transaction() as connection:
            return pages.json(_shown(*await versions.known(connection, refs.key(request))))

    async def delete_campaign(self, request: Request) -> Response:
        """Remove one."""
        async with self.parts.changing(request) as connection:
            await versions.known(connection, refs.key(request))
            await versions.delete(connection, refs.key(request))
        return Response(status_code=204)

    async def get_versions(self, request: Request) -> Response:
        """Each, the latest first."""
        async with self.parts.database.transaction() as connection:
            found = await versions.versions(connection, refs.key(request))
        if not found:
            raise NotFound("there was never such a campaign")
        told = [
            {"version": number, "made_at": iso(from_datetime(at)), "campaign": config}
            for number, config, at in found
        ]
        return pages.json({"versions": told})

    async def pause(self, request: Request) -> Response:
        """Nobody begins, and nobody goes on."""
        return await self._pause(request, paused=True)

    async def resume(self, request: Request) -> Response:
        """Whoever was on their way goes on."""
        return await self._pause(request, paused=False)

    async def _pause(self, request: Request, *, paused: bool) -> Response:
        async with self.parts.changing(request) as connection:
            await versions.known(connection, refs.key(request))
            await versions.pause(connection, refs.key(request), paused=paused)
            return pages.json(_shown(*await versions.known(connection, refs.key(request))))

    async def call(self, request: Request) -> Response:
        """Begin it for one person, if its rules let them: the journey says so."""
        key, parts = refs.key(request), self.parts
        loaded, _ = load(CampaignCallSchema(), await pages.read_body(request))
        said = loaded.get("id") or uuid.uuid4().hex
        async with parts.changing(request) as connection:
            campaign, _ = await versions.known(connection, key)
            if campaign.on != "call":
                raise Conflict("its trigger is another: only one with call is begun by calls")
            profile = await refs.profile_of(connection, loaded["profile"], parts.vault.subject)
            found = uuid.uuid5(_NAMESPACE, f"{key}/{said}").bytes
            heard = Heard(found, key, False, profile, f"call {found.hex()}", times.now())
            await store.hear(connection, [heard])
            message = Message(TOUCHED, profile, touches.TIMER)
            await log_store.emit(connection, [message], parts.partitions)
        return pages.json(
            {"campaign": key, "profile_id": str(uuid.UUID(bytes=profile)), "call": found.hex()}
        )


def _checked(trigger: dict[str, Any]) -> None:
    """Invalid if what an event's properties must be is not in the language of segments."""
    if "where" in trigger:
        try:
            load(PropertiesSchema(), msgspec.json.encode({"where": trigger["where"]}))
        except Invalid as error:
            field = f"trigger.{error.field}"
            raise Invalid(f"trigger.{error.detail}", field=field) from None


async def _named(connection: Connection, campaign: Campaign) -> None:
    """Invalid if it names a segment or a destination that there is not."""
    there = set((await segments.keys(connection)).values())
    for each in sorted(segments_of(campaign) - there):
        raise Invalid(f"there is no segment {each}; define it first")
    kinds = {
        each.destination.key: each.destination.kind
        for each in await delivery_store.destinations(connection)
    }
    sends = [each for each in campaign.program if isinstance(each, Send)]
    there_are = await templates.some(connection, {key for each in sends for key in each.templates})
    for send in sends:
        for key in send.templates:
            if key not in there_are:
                raise Invalid(f"there is no template {key}; define it first", field="steps")
        made = there_are[send.template].channel
        if {there_are[key].channel for key in send.templates} != {made}:
            raise Invalid("variants: Must all be templates of one channel.", field="steps")
        for channel in send.channels:
            if channel not in kinds:
                raise Invalid(f"channels: there is no destination {channel}", field="steps")
            if made not in KINDS[kinds[channel]].messages:
                told = f"channels: {channel} is a {kinds[channel]}, which carries no {made} message"
                raise Invalid(told, field="steps")


def _shown(campaign: Campaign, said: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": campaign.key,
        "version": campaign.version,
        "paused": campaign.paused,
        **said,
    }
