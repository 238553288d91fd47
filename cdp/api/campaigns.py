"""Campaigns: defined, paused, called, tried; people's journeys through them; what came of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from fastapi import APIRouter, Request
from marshmallow import fields, validate
from starlette.responses import Response

import activation.store as delivery_store
import activation.templates.store as templates
import identity.store as identity_store
from activation.campaigns import numbers, results, store
from activation.campaigns.model import Campaign, Journey, Send, State
from activation.campaigns.schema import CampaignSchema, campaign_of, segments_of
from activation.campaigns.store import Heard
from activation.kinds import KINDS
from cdp import rehearsing, times, touches
from cdp.api import openapi, pages, refs
from cdp.api import samples_campaigns as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Conflict, Invalid, NotFound
from cdp.events import TOUCHED
from cdp.forms import Form, WholeNumber, load
from cdp.log import store as log_store
from cdp.log.store import Message
from cdp.times import bounded, from_datetime, iso
from profiles import segments

_STATES: tuple[str, ...] = get_args(State)
_NAMESPACE = uuid.UUID("0b3f4f1e-7f0c-5c86-9a55-5f0d2a4c9e21")
DAY = 86_400 * times.SECOND


class CampaignCallSchema(Form):
    """Somebody who is to begin a campaign."""

    profile = fields.String(required=True, metadata={"example": "user_id:ada"})
    id = fields.String(
        validate=validate.Length(1, 200),
        metadata={"description": "said again with the same id, it is the same call"},
    )


class RehearsalSchema(Form):
    """How far to look back."""

    days = WholeNumber(load_default=7, validate=validate.Range(1, 366))


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
        routes.post(
            "/{key}/dry-run",
            self.rehearse,
            see,
            openapi.write("What it would have done", "RehearsalSchema", samples.TRIED, named="key"),
        )
        routes.get(
            "/{key}/journeys",
            self.get_journeys,
            see,
            openapi.read(
                "People's ways through it", samples.JOURNEYS, named="key", takes="journeys"
            ),
            personal=True,
        )
        routes.get(
            "/{key}/results",
            self.get_results,
            see,
            openapi.read("What came of it", samples.RESULTS, named="key"),
        )
        return routes.router

    async def list_campaigns(self, request: Request) -> Response:
        """Every campaign."""
        async with self.parts.database.transaction() as connection:
            found = await store.written(connection)
        return pages.json({"campaigns": [_shown(*each) for each in found]})

    async def put_campaign(self, request: Request) -> Response:
        """A new version, if it says anything else; journeys under way go on with theirs."""
        key = refs.key(request)
        loaded, said = load(CampaignSchema(), await pages.read_body(request))
        campaign = campaign_of(key, 0, loaded)
        async with self.parts.changing(request) as connection:
            await refs.known_purpose(connection, campaign.purpose)
            await _named(connection, campaign)
            before = await store.find(connection, key)
            if before is None or before[1] != said:
                await store.put(connection, key, said)
            return pages.json(_shown(*await _found(connection, key)))

    async def get_campaign(self, request: Request) -> Response:
        """One campaign."""
        async with self.parts.database.transaction() as connection:
            return pages.json(_shown(*await _found(connection, refs.key(request))))

    async def delete_campaign(self, request: Request) -> Response:
        """Remove one."""
        async with self.parts.changing(request) as connection:
            await _found(connection, refs.key(request))
            await store.delete(connection, refs.key(request))
        return Response(status_code=204)

    async def get_versions(self, request: Request) -> Response:
        """Each, the latest first."""
        async with self.parts.database.transaction() as connection:
            found = await store.versions(connection, refs.key(request))
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
            await _found(connection, refs.key(request))
            await store.pause(connection, refs.key(request), paused=paused)
            return pages.json(_shown(*await _found(connection, refs.key(request))))

    async def call(self, request: Request) -> Response:
        """Begin it for one person, if its rules let them: the journey says so."""
        key, parts = refs.key(request), self.parts
        loaded, _ = load(CampaignCallSchema(), await pages.read_body(request))
        said = loaded.get("id") or uuid.uuid4().hex
        async with parts.changing(request) as connection:
            campaign, _ = await _found(connection, key)
            if campaign.on != "call":
                raise Conflict("its trigger is another: only one with call is begun by calls")
            profile = await refs.profile_of(connection, loaded["profile"], parts.vault.subject)
            found = uuid.uuid5(_NAMESPACE, f"{key}/{said}").bytes
            heard = Heard(found, key, False, profile, f"call {found.hex()}", times.now())
            await store.hear(connection, [heard])
            message = Message(TOUCHED, profile, touches.TIMER)
            await log_store.emit(connection, [message], parts.partitions)
        return pages.json({"campaign": key, "profile_id": _id(profile), "call": found.hex()})

    async def rehearse(self, request: Request) -> Response:
        """By the entries and exits of the last days, and by who people are now."""
        loaded, _ = load(RehearsalSchema(), await pages.read_body(request))
        now = times.now()
        async with self.parts.database.transaction() as connection:
            campaign, _ = await _found(connection, refs.key(request))
            if campaign.on not in {"entered", "left"}:
                raise Conflict("only a campaign whose trigger is a segment can be tried")
            since = now - loaded["days"] * DAY
            people = self.parts.people
            found = await rehearsing.rehearse(connection, people, campaign, since, now)
        return pages.json({"since": iso(since), **found._asdict()})

    async def get_journeys(self, request: Request) -> Response:
        """Oldest first; refused ones say why there is none."""
        key, most = refs.key(request), pages.limit(request)
        state: Any = request.query_params.get("state")
        if state is not None and state not in _STATES:
            raise Invalid(f"state must be one of {', '.join(_STATES)}", field="state")
        after = pages.cursor(request, pages.DELIVERY)
        position = bounded(int.from_bytes(after[:8])), after[8:]
        async with self.parts.database.transaction() as connection:
            await _found(connection, key)
            nodes = None
            if "profile" in request.query_params:
                ref = request.query_params["profile"]
                profile = await refs.profile_of(connection, ref, self.parts.vault.subject)
                of = await identity_store.nodes_of(connection, [profile])
                nodes = of.get(profile, [])
            found = await store.listed(
                connection, key, profiles=nodes, state=state, after=position, limit=most
            )
        last = found[-1] if len(found) == most else None
        end = last.at.to_bytes(8) + last.id if last else None
        return pages.json(
            {"journeys": [_told(each) for each in found], "next": pages.next_cursor(end)}
        )

    async def get_results(self, request: Request) -> Response:
        """By when journeys began."""
        key = refs.key(request)
        async with self.parts.database.transaction() as connection:
            await _found(connection, key)
            found = await numbers.numbers(connection, key)
        steps, responses = _by_step(found.steps), _by_step(found.responses)
        return pages.json(
            {
                "conversions": results.compared(found.groups),
                "refused": found.refused,
                "messages": [
                    {
                        "step": step,
                        "destination": by,
                        **results.delivered(states, responses.get((step, by), {})),
                    }
                    for (step, by), states in steps.items()
                ],
                "unsent": found.unsent,
                "days": [each._asdict() for each in found.days],
            }
        )


def _by_step(
    rows: Sequence[tuple[int, str, str, int]],
) -> dict[tuple[int, str], dict[str, int]]:
    found: dict[tuple[int, str], dict[str, int]] = {}
    for step, destination, what, many in rows:
        found.setdefault((step, destination), {})[what] = many
    return found


async def _found(connection: Connection, key: str) -> tuple[Campaign, dict[str, Any]]:
    found = await store.find(connection, key)
    if found is None:
        raise NotFound(f"there is no campaign {key}")
    return found


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
    there_are = await templates.some(connection, {each.template for each in sends})
    for send in sends:
        if send.template not in there_are:
            raise Invalid(f"there is no template {send.template}; define it first", field="steps")
        made = there_are[send.template].channel
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


def _told(journey: Journey) -> dict[str, Any]:
    return {
        "id": _id(journey.id),
        "profile_id": _id(journey.profile),
        "version": journey.version,
        "at": iso(journey.at),
        "cause": journey.cause,
        "state": journey.state,
        "reason": journey.reason,
        "next_at": iso(journey.due) if journey.due is not None else None,
        "converted_at": iso(journey.converted_at) if journey.converted_at is not None else None,
    }


def _id(value: bytes) -> str:
    return str(uuid.UUID(bytes=value))
