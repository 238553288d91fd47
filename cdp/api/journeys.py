"""What came of campaigns, or would have: tries, people's journeys, results."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from fastapi import APIRouter, Request
from marshmallow import validate
from starlette.responses import Response

import identity.store as identity_store
from activation.campaigns import occurrences, results, store, versions
from activation.campaigns.model import Campaign, Journey, State
from activation.campaigns.numbers import Counted, Message
from activation.campaigns.occurrences import Occurrence
from cdp import lately, rehearsing, times
from cdp.api import openapi, pages, refs
from cdp.api import samples_campaigns as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Conflict, Invalid, NotFound
from cdp.events import Instant
from cdp.forms import Form, WholeNumber, load
from cdp.lately import Lately
from cdp.past.journeys import inside
from cdp.revenue import revenue
from cdp.times import bounded, iso
from profiles import segments

_STATES: tuple[str, ...] = get_args(State)
DAY = 86_400 * times.SECOND


class RehearsalSchema(Form):
    """How far to look back."""

    days = WholeNumber(load_default=7, validate=validate.Range(1, 366))


@dataclass(frozen=True, slots=True)
class Journeys:
    """Everything about what campaigns do to people."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/campaigns", "Activation", self.parts.keys)
        see = "campaigns:read"
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
            openapi.read("What came of it", samples.RESULTS, named="key", takes="results"),
        )
        return routes.router

    async def rehearse(self, request: Request) -> Response:
        """By what would have begun it in the last days, and by who people are now."""
        loaded, _ = load(RehearsalSchema(), await pages.read_body(request))
        now = times.now()
        async with self.parts.database.transaction() as connection:
            campaign, _ = await versions.known(connection, refs.key(request))
            found = await self._lately(connection, campaign, now - loaded["days"] * DAY, now)
            people = self.parts.people
            told = await rehearsing.rehearse(connection, people, campaign, found.starts, now)
        return pages.json({"since": iso(found.since), "whole": found.whole, **told._asdict()})

    async def _lately(
        self, connection: Connection, campaign: Campaign, since: Instant, now: Instant
    ) -> Lately:
        if campaign.on == "event":
            keyring, partitions = self.parts.people.keyring, self.parts.partitions
            return await lately.by_event(connection, keyring, partitions, campaign, since)
        if campaign.on == "schedule":
            return await lately.by_schedule(connection, campaign, since, now)
        if campaign.on == "call":
            raise Conflict("a campaign that is begun by calls cannot be tried: nothing tells whose")
        return await lately.by_segment(connection, campaign, since)

    async def get_journeys(self, request: Request) -> Response:
        """Oldest first; refused ones say why there is none."""
        key, most = refs.key(request), pages.limit(request)
        state: Any = request.query_params.get("state")
        if state is not None and state not in _STATES:
            raise Invalid(f"state must be one of {', '.join(_STATES)}", field="state")
        after = pages.cursor(request, pages.DELIVERY)
        position = bounded(int.from_bytes(after[:8])), after[8:]
        async with self.parts.database.transaction() as connection:
            await versions.known(connection, key)
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
        """By when journeys began; of all, or of who was in a segment then."""
        key, segment = refs.key(request), request.query_params.get("segment")
        counted = Counted(key)
        if segment is not None:
            counted = inside(key, refs.checked_key(segment, field="segment"))
        async with self.parts.database.transaction() as connection:
            campaign, _ = await versions.known(connection, key)
            if segment is not None and await segments.find(connection, segment) is None:
                raise NotFound(f"there is no segment {segment}")
            found = await counted.numbers(connection)
            came = await occurrences.listed(connection, key)
            worth = await revenue(connection, self.parts.people.keyring, campaign, counted)
        steps, responses = _by_step(found.steps), _by_step(found.responses)
        return pages.json(
            {
                "conversions": results.compared(found.groups),
                **worth,
                "refused": found.refused,
                "messages": [
                    {
                        **message._asdict(),
                        **results.delivered(states, responses.get(message, {})),
                    }
                    for message, states in steps.items()
                ],
                "unsent": found.unsent,
                "days": [each._asdict() for each in found.days],
                "occurrences": {each.wall: _came(each) for each in came},
            }
        )


def _by_step(
    rows: Sequence[tuple[Message, str, int]],
) -> dict[Message, dict[str, int]]:
    found: dict[Message, dict[str, int]] = {}
    for message, what, many in rows:
        found.setdefault(message, {})[what] = many
    return found


def _came(occurrence: Occurrence) -> dict[str, Any]:
    return {
        "at": iso(occurrence.at),
        "state": occurrence.state,
        "reason": occurrence.reason,
        "begun": occurrence.begun,
        "late": occurrence.late,
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
