"""What somebody was and did: profiles as of a time, differences, timelines; and many at once."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from marshmallow import fields, validate
from starlette.responses import Response

import identity.store as identity_store
from cdp import times
from cdp.api import acting, openapi, pages, refs, samples_history
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Invalid, NotFound
from cdp.events import Event, Identifier, Instant
from cdp.forms import Form, Written, load
from cdp.past import timeline
from cdp.past.diff import differences
from cdp.past.profiles import Past, Then, told
from cdp.past.store import Move
from cdp.past.timeline import Place, Timeline, Wanted
from cdp.times import iso
from identity.rulebook import RuleBook

MOST = 1000  # people read at once
_PERSON = Written(
    refs.PATTERN, error="Must be namespace:value, like email:ada@example.com, or a profile id."
)


class PeopleSchema(Form):
    """Whom to read."""

    refs = fields.List(
        fields.String(required=True, validate=[validate.Length(max=600), _PERSON]),
        required=True,
        validate=validate.Length(1, MOST),
        metadata={"example": ["email:ada@example.com"]},
    )


@dataclass(frozen=True, slots=True)
class History:
    """Reading what was of people."""

    parts: Parts
    book: RuleBook = field(default_factory=RuleBook)

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/profiles", "Profiles", self.parts.keys)
        routes.post(
            "/read",
            self.read,
            "profiles:read",
            openapi.write("Many profiles at once", "PeopleSchema", samples_history.READ),
            personal=True,
        )
        routes.get(
            "/{ref:path}/diff",
            self.get_diff,
            "profiles:read",
            openapi.read(
                "What changed of a person between two moments",
                samples_history.DIFF,
                named="ref",
                takes="diff",
            ),
        )
        routes.get(
            "/{ref:path}/timeline",
            self.get_timeline,
            "profiles:read",
            openapi.read(
                "Everything a person did, newest first",
                samples_history.TIMELINE,
                named="ref",
                takes="timeline",
            ),
        )
        return routes.router

    async def read(self, request: Request) -> Response:
        """In the order they were asked for; null for whom nobody has seen."""
        loaded, _ = load(PeopleSchema(), await pages.read_body(request))
        named = [refs.known(ref, field=f"refs[{n}]") for n, ref in enumerate(loaded["refs"])]
        hashed = self.parts.vault.subject
        nodes = [hashed(*who) if isinstance(who, Identifier) else who for who in named]
        acting.about(request, *(node for node in nodes if node is not None))
        async with self.parts.database.transaction() as connection:
            profiles = await identity_store.profiles(connection, {n for n in nodes if n})
            found = await self.parts.people.load(connection, set(profiles.values()))
        told = [
            {"ref": ref, "profile": found.get(profiles.get(node or b"", b""))}
            for ref, node in zip(loaded["refs"], nodes, strict=True)
        ]
        return pages.json({"profiles": told})

    async def get_diff(self, request: Request) -> Response:
        """Of what was known then and then; without `to`, and now."""
        ref, now = request.path_params["ref"], times.now()
        since, until = pages.instant(request, "from"), pages.instant(request, "to")
        if since is None:
            raise Invalid("from is missing: since when?", field="from")
        until = now if until is None else until
        pages.in_order(since, until)
        async with self.parts.database.transaction() as connection:
            before, after = [await self._then(connection, ref, at) for at in (since, until)]
        if before is None and after is None:
            raise unknown(ref, until)
        shown = [None if then is None else told(then, until) for then in (before, after)]
        return pages.json({"from": iso(since), "to": iso(until)} | differences(*shown))

    async def as_of(self, ref: str, at: Instant) -> dict[str, Any]:
        """A profile as it was; NotFound if there was none."""
        async with self.parts.database.transaction() as connection:
            then = await self._then(connection, ref, at)
        if then is None:
            raise unknown(ref, at)
        return told(then, at)

    async def _then(self, connection: Connection, ref: str, at: Instant) -> Then | None:
        parts = self.parts
        who = refs.known(ref, field="ref")
        if who is None:
            return None
        node = parts.vault.subject(*who) if isinstance(who, Identifier) else who
        past = Past(parts.people, await self.book.refresh(connection))
        return await past.profile(connection, node, at)

    async def get_timeline(self, request: Request) -> Response:
        """One page; what arrives meanwhile moves nothing of it."""
        wanted = _wanted(request)
        packed = pages.cursor(request, pages.TIMELINE)
        after = timeline.place(packed) if packed else timeline.newest(wanted.until)
        ref, parts = request.path_params["ref"], self.parts
        reading = Timeline(parts.people.keyring, parts.partitions)
        async with parts.database.snapshot() as connection:
            profile = await refs.profile_of(connection, ref, parts.vault.subject)
            nodes = (await parts.people.nodes(connection, [profile])).get(profile, [])
            page = await reading.page(connection, nodes, wanted, after)
            fragments = await parts.people.profiles.shelf.open(connection, nodes)
        wrong = {event_id for each in fragments.values() for event_id in each.corrected}
        entries = [_entry(place, what, wrong) for place, what in page.entries]
        last = page.next.packed() if page.next else None
        return pages.json(
            {
                "profile_id": str(uuid.UUID(bytes=profile)),
                "timeline": entries,
                "next": pages.next_cursor(last),
            }
        )


def unknown(ref: str, at: Instant) -> NotFound:
    """The same answer for whom nobody knew yet and for whom an erasure has taken out of the log."""
    return NotFound(f"nobody had been seen as {ref} by {iso(at)}, or they have been erased since")


def _wanted(request: Request) -> Wanted:
    since, until = pages.instant(request, "from"), pages.instant(request, "to")
    since, until = since or 0, times.now() if until is None else until
    pages.in_order(since, until)
    include = request.query_params.get("include", "none")
    if include not in {"segments", "none"}:
        raise Invalid("include must be segments or none", field="include")
    names = pages.texts(request, "event")
    return Wanted(since, until, names, include == "segments", pages.limit(request))


def _entry(place: Place, what: Event | Move, wrong: Collection[bytes]) -> dict[str, Any]:
    if isinstance(what, Move):
        return {
            "kind": "segment",
            "at": iso(place.at),
            "segment": what.segment,
            "change": "entered" if what.entered else "left",
            "cause": what.cause,
        }
    marks: dict[str, Any] = {"corrected": True} if what.id in wrong else {}
    if what.corrects:
        marks |= {"corrects": what.corrects.hex(), "reason": what.extra.get("reason", "")}
    return marks | {
        "kind": "event",
        "at": iso(place.at),
        "event": timeline.name_of(what),
        "id": what.id.hex(),
        "type": what.type,
        "received_at": iso(what.received_at),
        "user_id": what.user_id,
        "anonymous_id": what.anonymous_id,
        "group_id": what.group_id,
        "properties": what.properties,
        "traits": what.traits,
    }
