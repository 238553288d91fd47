"""What a segment would be, before it is saved."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp import times
from cdp.api import defined, openapi, pages, refs
from cdp.api import samples_segments as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.forms import load
from cdp.previewing import Estimate, Preview, Previewing
from profiles.language.schema import PreviewSchema
from profiles.language.text import telling, writing


@dataclass(frozen=True, slots=True)
class Previews:
    """Tries a definition on people as they are."""

    parts: Parts

    def router(self) -> APIRouter:
        """The route."""
        routes = Routes("/api/v1/segments", "Segments", self.parts.keys)
        routes.post(
            "/preview",
            self.preview,
            "segments:write",
            openapi.write(
                "How many people a segment would have, and how that grew",
                "PreviewSchema",
                samples.PREVIEW,
            ),
        )
        return routes.router

    async def preview(self, request: Request) -> Response:
        """Size, some of the people, overlap with other segments and growth; nothing is saved."""
        loaded, _ = load(PreviewSchema(), await pages.read_body(request))
        purpose, where = loaded["purpose"], loaded["where"]
        previewing = Previewing(self.parts.people)
        async with self.parts.changing(request) as connection:
            await refs.known_purpose(connection, purpose)
            await defined.check(connection, "", where)
            found = await previewing.preview(connection, purpose, where, times.now())
            views = await self.parts.people.load(connection, found.shown)
        named = [
            {
                "profile_id": str(uuid.UUID(bytes=each)),
                "identifiers": views[each]["identifiers"] if each in views else {},
            }
            for each in found.shown
        ]
        words = {"text": writing.text(where), "sentence": telling.sentence(where)}
        return pages.json({**words, **_told(found), "sample": named})


def _told(found: Preview) -> dict[str, Any]:
    return {
        "people": found.people,
        "looked_at": found.looked_at,
        "size": _estimated(found.size),
        "overlap": [
            {"segment": key, "size": _estimated(size), "share": share}
            for key, (size, share) in found.overlap.items()
        ],
        "growth": [{"at": times.iso(at), "size": _estimated(size)} for at, size in found.growth],
    }


def _estimated(size: Estimate) -> dict[str, int]:
    return {"about": size.about, "low": size.low, "high": size.high}
