"""Privacy requests: erase, export or suppress somebody, by any of their identifiers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from fastapi import APIRouter, Request
from marshmallow import fields, validate
from starlette.responses import Response, StreamingResponse

from cdp import times
from cdp.api import acting, openapi, pages, parameters, refs
from cdp.api import samples_privacy as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Gone, NotFound
from cdp.events import Identifier
from cdp.forms import Form, load
from cdp.privacy import exporting, store, telling
from cdp.privacy.asking import ask
from cdp.privacy.model import Kind
from cdp.privacy.model import Request as Asked
from cdp.times import iso

_NEWEST = (1 << 63) - 1


class PrivacyRequestSchema(Form):
    """What is to be done, and with whose data."""

    kind = fields.String(required=True, validate=validate.OneOf(get_args(Kind)))
    identifier = fields.String(
        required=True,
        validate=validate.Length(1, 600),
        metadata={"description": "`namespace:value`, or a profile id", **parameters.PERSON},
    )
    reference = fields.String(
        load_default="",
        validate=validate.Length(max=200),
        metadata={"description": "Your own number for it; it stays, so nothing personal"},
    )


@dataclass(frozen=True, slots=True)
class Privacy:
    """Everything about requests."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/privacy/requests", "Privacy requests", self.parts.keys)
        routes.post(
            "",
            self.ask,
            "privacy:write",
            openapi.write(
                "Erase or export somebody's data, or suppress them",
                "PrivacyRequestSchema",
                samples.REQUEST,
                code=202,
            ),
        )
        routes.get(
            "",
            self.list_requests,
            "privacy:read",
            openapi.read("Requests, newest first", samples.REQUESTS, takes="privacy"),
        )
        routes.get(
            "/{request}",
            self.get_request,
            "privacy:read",
            openapi.read("How far a request is", samples.REQUEST, named="request"),
        )
        routes.get(
            "/{request}/archive",
            self.get_archive,
            "privacy:export",
            openapi.download("What an export found, as ZIP", "application/zip", named="request"),
            personal=True,
        )
        return routes.router

    async def ask(self, request: Request) -> Response:
        """One that is open already is answered again."""
        loaded, _ = load(PrivacyRequestSchema(), await pages.read_body(request))
        named = refs.identifier(loaded["identifier"])
        if isinstance(named, Identifier):
            acting.named(request, named)
            subject, namespace = self.parts.vault.subject(*named), named.namespace
        else:
            acting.about(request, named)
            subject, namespace = named, refs.PROFILE_ID
        asked = store.new(
            loaded["kind"],
            subject,
            namespace,
            asked_by="operator",
            reference=loaded["reference"],
            at=times.now(),
        )
        async with self.parts.changing(request) as connection:
            kept, _ = await ask(connection, self.parts.vault, asked, self.parts.people.home)
            told = await self._told(connection, kept)
        return pages.json(told, 202)

    async def list_requests(self, request: Request) -> Response:
        """Page by page."""
        before, most = pages.cursor(request, pages.NUMBER), pages.limit(request)
        position = min(int.from_bytes(before) if before else _NEWEST, _NEWEST)
        async with self.parts.database.transaction() as connection:
            found = await store.listed(connection, self.parts.vault, position, most)
            told = [await self._told(connection, each) for each in found]
        last = found[-1].number.to_bytes(pages.NUMBER) if len(found) == most else None
        return pages.json({"requests": told, "next": pages.next_cursor(last)})

    async def get_request(self, request: Request) -> Response:
        """With its receipt once it is done."""
        async with self.parts.database.transaction() as connection:
            found = await self.found(connection, request)
            return pages.json(await self._told(connection, found))

    async def get_archive(self, request: Request) -> Response:
        """Unsealed while it is sent; NotFound if there is none, Gone if there is none any more."""
        async with self.parts.database.transaction() as connection:
            found = await self.found(connection, request)
        acting.about(request, found.subject)
        if found.kind != "export" or found.status != "done":
            raise NotFound("there is no archive: only exports have one, once they are done")
        opened = await exporting.opened(self.parts.database, self.parts.people, found)
        if opened is None:
            raise Gone("the archive was deleted: ask for a new export")
        name = f"attachment; filename=export-{found.id}.zip"
        headers = {"content-disposition": name, "cache-control": "no-store"}
        return StreamingResponse(opened, media_type="application/zip", headers=headers)

    async def found(self, connection: Connection, request: Request) -> Asked:
        """The request that a path names; NotFound if there is none."""
        try:
            wanted = uuid.UUID(request.path_params["request"])
        except ValueError:
            found = None
        else:
            found = await store.find(connection, self.parts.vault, wanted)
        if found is None:
            raise NotFound("there is no such request")
        return found

    async def _told(self, connection: Connection, asked: Asked) -> dict[str, Any]:
        states = await telling.states(connection, asked) if asked.kind == "erase" else {}
        return shown(asked, states)


def shown(asked: Asked, destinations: Mapping[str, str]) -> dict[str, Any]:
    """A request as the API shows it; `destinations` are how far each of them is told."""
    now, waits = times.now(), asked.status == "failed"
    ended = asked.done_at if asked.done_at is not None else now
    return {
        "id": str(asked.id),
        "kind": asked.kind,
        "status": asked.status,
        "asked_by": asked.asked_by,
        "namespace": asked.namespace,
        "reference": asked.reference,
        "received_at": iso(asked.received_at),
        "due_at": iso(asked.due_at),
        "overdue": ended > asked.due_at,
        "begun_at": None if asked.begun_at is None else iso(asked.begun_at),
        "done_at": None if asked.done_at is None else iso(asked.done_at),
        "reason": asked.reason if waits else "",
        "attempts": asked.attempts,
        "next_attempt_at": iso(asked.next_at) if waits else None,
        "subjects": len(asked.people),
        "result": dict(asked.result["shown"]) if "shown" in asked.result else None,
        "destinations": dict(destinations),
        "receipt": asked.receipt or None,
        "archive": _archive(asked, now),
    }


def _archive(asked: Asked, now: int) -> dict[str, Any] | None:
    """Where an export is to be had, for as long as it is."""
    expires = asked.expires_at
    if expires is None or now >= expires:
        return None
    path = f"/api/v1/privacy/requests/{asked.id}/archive"
    return {"path": path, "expires_at": iso(expires)}
