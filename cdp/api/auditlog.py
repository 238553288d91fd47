"""GET /api/v1/audit: what operators did, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp import audit
from cdp.api import openapi, pages, refs, samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.audit import Kept
from cdp.events import Identifier
from cdp.times import iso

_NEWEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class AuditLog:
    """Reading it."""

    parts: Parts

    def router(self) -> APIRouter:
        """The route."""
        routes = Routes("/api/v1/audit", "Audit", self.parts.keys)
        routes.get(
            "",
            self.list_entries,
            "audit:read",
            openapi.read("What operators did, newest first", samples.AUDIT, takes="audit"),
        )
        return routes.router

    async def list_entries(self, request: Request) -> Response:
        """Of all, of one actor, of one action, or about one person."""
        after, most = pages.cursor(request, pages.NUMBER), pages.limit(request)
        person = b""
        if "about" in request.query_params:
            who = refs.identifier(request.query_params["about"])
            person = self.parts.vault.subject(*who) if isinstance(who, Identifier) else who
        async with self.parts.database.transaction() as connection:
            found = await audit.listed(
                connection,
                before=min(int.from_bytes(after), _NEWEST) if after else _NEWEST,
                limit=most,
                actor=pages.text(request, "actor"),
                action=pages.text(request, "action"),
                person=person,
            )
        last = found[-1].position.to_bytes(8) if len(found) == most else None
        return pages.json(
            {"entries": [shown(each) for each in found], "next": pages.next_cursor(last)}
        )


def shown(kept: Kept) -> dict[str, Any]:
    """An entry as the API shows it."""
    told = kept.entry._asdict()
    told |= {"at": iso(kept.entry.at), "people": [each.hex() for each in kept.entry.people]}
    return {"position": kept.position, **told, "mac": kept.mac.hex()}
