"""Who could be contacted for a purpose, now or as of a time: pulled like an audience."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

import consent.store as consent_store
from cdp import times
from cdp.api import openapi, pages, refs, samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.api.standing import told
from cdp.db import Connection
from cdp.errors import Invalid, NotFound
from cdp.evidence import contactable
from cdp.evidence.asof import AsOf
from cdp.evidence.contactable import Contact
from identity.rulebook import RuleBook

_NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Contactable:
    """The people behind a purpose."""

    parts: Parts

    def router(self) -> APIRouter:
        """The route."""
        routes = Routes("/api/v1/consent", "Consent", self.parts.keys)
        routes.get(
            "/purposes/{key}/people",
            self.get_people,
            "consent:read",
            openapi.read(
                "Who could be contacted for a purpose, now or as of a time",
                samples.CONTACTABLE,
                named="key",
                takes="contactable",
                ndjson=True,
            ),
            personal=True,
        )
        return routes.router

    async def get_people(self, request: Request) -> Response:
        """Page by page or as one stream; a page may have fewer than asked for, or none."""
        key, identified = refs.purpose(request), _identified(request)
        at = pages.instant(request, "at")
        after, most = pages.cursor(request, pages.PROFILE), pages.limit(request)
        async with self.parts.database.transaction() as connection:
            await found_purpose(connection, key)
            rules = await RuleBook().refresh(connection)
            as_of = AsOf(self.parts.people, rules, times.now() if at is None else at)
            if _NDJSON in request.headers.get("accept", ""):
                lines = self._lines(as_of, key, identified=identified)
                return StreamingResponse(lines, media_type=_NDJSON)
            found = await contactable.page(connection, as_of, key, after, most)
            people = await shown(connection, as_of, found.contacts, identified=identified)
        return pages.json({"people": people, "next": pages.next_cursor(found.next)})

    async def _lines(self, as_of: AsOf, purpose: str, *, identified: bool) -> AsyncIterator[bytes]:
        encoder = msgspec.json.Encoder()

        async def tell(connection: Connection, contacts: Sequence[Contact]) -> bytes:
            people = await shown(connection, as_of, contacts, identified=identified)
            return encoder.encode_lines(people)

        async for lines in contactable.everybody(self.parts.database, as_of, purpose, tell):
            yield lines


async def found_purpose(connection: Connection, key: str) -> None:
    """NotFound if there is no such purpose."""
    if key not in {each.key for each in await consent_store.purposes(connection)}:
        raise NotFound(f"there is no purpose {key}")


def _identified(request: Request) -> bool:
    wanted = request.query_params.get("include", "identifiers")
    if wanted not in {"identifiers", "none"}:
        raise Invalid("include must be identifiers or none", field="include")
    return wanted == "identifiers"


async def shown(
    connection: Connection, as_of: AsOf, contacts: Sequence[Contact], *, identified: bool
) -> list[dict[str, Any]]:
    """People as the API shows them, with the decision that allows it, if one does."""
    names = await contactable.names(connection, as_of, contacts) if identified else {}
    people = []
    for each in contacts:
        decision = each.stand.decision
        person: dict[str, Any] = {
            "profile_id": str(uuid.UUID(bytes=each.profile)),
            "decision": None if decision is None else told(decision),
        }
        if identified:
            own = sorted(names[node] for node in each.nodes if node in names)
            held: dict[str, list[str]] = {}
            for namespace, value in own:
                held.setdefault(namespace, []).append(value)
            person["identifiers"] = held
        people.append(person)
    return people
