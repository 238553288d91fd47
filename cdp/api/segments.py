"""Segments: define, read, and pull their members and changes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from cdp.api import conditional, defined, membership, openapi, pages, refs, sizes
from cdp.api import samples_segments as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Invalid, NotFound
from cdp.events import Instant
from cdp.forms import load
from cdp.times import from_datetime, iso
from profiles import audience, defining, presence, segments
from profiles.language.schema import SegmentSchema
from profiles.language.text import telling, writing
from profiles.segments import Segment


@dataclass(frozen=True, slots=True)
class Segments:
    """Everything about segments."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/segments", "Segments", self.parts.keys)
        routes.get(
            "",
            self.list_segments,
            "segments:read",
            openapi.read("All segments", samples.SEGMENTS),
        )
        routes.put(
            "/{key}",
            self.put_segment,
            "segments:write",
            openapi.write("Define a segment", "SegmentSchema", samples.SEGMENT, named="key"),
        )
        routes.get(
            "/{key}",
            self.get_segment,
            "segments:read",
            openapi.read("One segment", samples.SEGMENT, named="key"),
        )
        routes.delete(
            "/{key}",
            self.delete_segment,
            "segments:write",
            openapi.delete("Delete a segment; what was decided stays in the ledger"),
        )
        routes.get(
            "/{key}/versions",
            self.get_versions,
            "segments:read",
            openapi.read("What a segment was and is", samples.SEGMENT_VERSIONS, named="key"),
        )
        routes.get(
            "/{key}/members",
            self.get_members,
            "segments:read",
            openapi.read(
                "Pull the audience: pages, or everything as NDJSON",
                samples.MEMBERS,
                named="key",
                takes="members",
                ndjson=True,
                tagged=True,
            ),
            personal=True,
        )
        routes.get(
            "/{key}/changes",
            self.get_changes,
            "segments:read",
            openapi.read(
                "Entries and exits since a cursor",
                samples.CHANGES,
                named="key",
                takes="changes",
                tagged=True,
            ),
        )
        return routes.router

    async def list_segments(self, request: Request) -> Response:
        """Every segment."""
        async with self.parts.database.transaction() as connection:
            found = await segments.listed(connection)
        return pages.json({"segments": [shown(segment) for segment in found]})

    async def put_segment(self, request: Request) -> Response:
        """Create or change one."""
        key = refs.key(request)
        loaded, _ = load(SegmentSchema(), await pages.read_body(request))
        async with self.parts.changing(request) as connection:
            await refs.known_purpose(connection, loaded["purpose"])
            await defined.check(connection, key, loaded["where"])
            await segments.put(connection, key, **loaded)
            found = await _found(connection, key)
        return pages.json(shown(found))

    async def get_segment(self, request: Request) -> Response:
        """One segment."""
        async with self.parts.database.transaction() as connection:
            return pages.json(shown(await _found(connection, refs.key(request))))

    async def delete_segment(self, request: Request) -> Response:
        """Remove one."""
        key = refs.key(request)
        async with self.parts.changing(request) as connection:
            await defined.unused(connection, "segment", key)
            if not await segments.delete(connection, key):
                raise NotFound(f"there is no segment {key}")
        return Response(status_code=204)

    async def get_versions(self, request: Request) -> Response:
        """Each definition it ever had, the latest first; also of one that was deleted."""
        key = refs.key(request)
        async with self.parts.database.transaction() as connection:
            found = await defining.versions(connection, "segment", key)
        if not found:
            raise NotFound(f"there was never a segment {key}")
        told = [{**defined.shown(each), **_written(each.definition)} for each in found]
        return pages.json({"versions": told})

    async def get_members(self, request: Request) -> Response:
        """The audience, page by page or as one stream."""
        include = membership.included(request)
        after, most = pages.cursor(request, pages.PROFILE), pages.limit(request)
        at = _at(request)
        async with self.parts.database.transaction() as connection:
            if at is not None:
                segment = await sizes.found(connection, refs.key(request), at)
                return pages.json(await sizes.members(connection, segment, at, after, most))
            key, found = await membership.found(connection, request)
            version = await membership.version(connection, key, found.id, include)
            tag = conditional.tag_of(request, *version)
            if (same := conditional.unchanged(request, tag)) is not None:
                return same
            if membership.NDJSON in request.headers.get("accept", ""):
                lines = membership.lines(self.parts, found.id, include)
                return conditional.tagged(
                    StreamingResponse(lines, media_type=membership.NDJSON), tag
                )
            page = await audience.members(connection, found.id, after=after, limit=most)
            members = await membership.members(self.parts, connection, page, include)
        last = page[-1].profile if len(page) == most else None
        told = {"members": members, "next": pages.next_cursor(last)}
        return conditional.tagged(pages.json(told), tag)

    async def get_changes(self, request: Request) -> Response:
        """Entries and exits."""
        after = pages.whole_number(request, "after", -1, -1, 1 << 62)
        most = pages.limit(request)
        async with self.parts.database.transaction() as connection:
            key, found = await membership.found(connection, request)
            last = await presence.last_change(connection, key)
            tag = conditional.tag_of(request, found.id, last)
            if (same := conditional.unchanged(request, tag)) is not None:
                return same
            moves = await audience.changes(connection, key, after=after, limit=most)
        told = [
            {
                "offset": move.offset,
                "profile_id": str(uuid.UUID(bytes=move.profile)),
                "change": "entered" if move.entered else "left",
                "at": iso(move.at),
                "cause": move.cause,
            }
            for move in moves
        ]
        answer = {"changes": told, "next": moves[-1].offset if moves else after}
        return conditional.tagged(pages.json(answer), tag)


def shown(segment: Segment) -> dict[str, Any]:
    """A segment as the API shows it."""
    return {
        "key": segment.key,
        "name": segment.name,
        "purpose": segment.purpose,
        **_written(segment.wanted),
        "state": "live" if segment.build_state == "done" else "building",
        "size": segment.size,
        "version": segment.version,
        "created_at": iso(from_datetime(segment.created_at)),
        "updated_at": iso(from_datetime(segment.updated_at)),
        "progress": round(float(segment.progress), 3),
    }


def _written(where: dict[str, Any]) -> dict[str, Any]:
    return {"where": where, "text": writing.text(where), "sentence": telling.sentence(where)}


def _at(request: Request) -> Instant | None:
    """The past is told by profile id alone: `profiles/{ref}?as_of=` tells who that was."""
    at = pages.instant(request, "as_of")
    if at is not None and request.query_params.get("include", "none") != "none":
        raise Invalid("as_of and include do not go together", field="include")
    return at


async def _found(connection: Connection, key: str) -> Segment:
    segment = await segments.find(connection, key)
    if segment is None:
        raise NotFound(f"there is no segment {key}")
    return segment
