"""Corrections: an event that was recorded in error is taken back, or another put in its place."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from marshmallow import fields, validate
from starlette.responses import Response

from cdp import correcting, times
from cdp.api import acting, openapi, pages, samples_history
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection, named
from cdp.errors import Conflict, NotFound
from cdp.events import Event, SubjectId
from cdp.forms import Form, Written, load
from cdp.log import store as log_store
from cdp.log.keyring import Opened
from cdp.log.writing import fact_of

_NECESSARY = named("select necessary from sources where id = :source")
_ID = Written(
    "^[0-9a-f]{32}$", error="Must be an event's id: 32 hex digits, as the timeline has it."
)


class InsteadSchema(Form):
    """What is true; what is left out is as the event had it."""

    event = fields.String(
        validate=validate.Length(1, 200),
        metadata={"description": "the name of a track call", "example": "Order Completed"},
    )
    properties = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "all of them: of track, page and screen calls",
            "example": {"revenue": 51.2},
        },
    )
    traits = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "all of them: of identify and group calls",
            "example": {"country": "GB"},
        },
    )


class CorrectionSchema(Form):
    """An event that was recorded in error, and what is true instead, if anything is."""

    event = fields.String(
        required=True, validate=_ID, metadata={"example": samples_history.CORRECTED["corrects"]}
    )
    reason = fields.String(
        required=True,
        validate=validate.Length(1, 1000),
        metadata={"example": "the shop counted in cents"},
    )
    instead = fields.Nested(
        InsteadSchema,
        metadata={"description": "at the same time, of the same person; leave out if nothing is"},
    )


@dataclass(frozen=True, slots=True)
class Corrections:
    """Saying of what the log has that it was wrong."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1", "Profiles", self.parts.keys)
        routes.post(
            "/corrections",
            self.correct,
            "corrections:write",
            openapi.write(
                "Correct an event that was recorded in error",
                "CorrectionSchema",
                samples_history.CORRECTED,
            ),
        )
        return routes.router

    async def correct(self, request: Request) -> Response:
        """Said again, it changes nothing."""
        loaded, _ = load(CorrectionSchema(), await pages.read_body(request))
        parts, event_id = self.parts, bytes.fromhex(loaded["event"])
        async with parts.database.transaction() as connection:
            subject, event = await self._found(connection, event_id)
            free = (await connection.execute(_NECESSARY, {"source": event.source})).scalar()
        acting.about(request, subject)
        instead = loaded.get("instead")
        said = correcting.correction(parts.vault, event, loaded["reason"], instead, times.now())
        by_law = None if free or instead is None else parts.collector.by_law(event)
        await parts.appender.tell([fact_of(said, subject, consent=False, by_law=by_law)])
        async with parts.database.transaction() as connection:
            stored = await self._read(connection, said.id)
        if stored is None:
            raise Conflict(
                "instead: they do not allow that anything of them is stored; leave it out",
                field="instead",
            )
        if not correcting.is_same(stored.event, said):
            raise Conflict(
                f"event: it was corrected otherwise before, by {said.id.hex()}; correct that",
                field="event",
            )
        return pages.json(
            {
                "correction": said.id.hex(),
                "corrects": said.corrects.hex(),
                "at": times.iso(said.at),
            }
        )

    async def _found(self, connection: Connection, event_id: bytes) -> tuple[SubjectId, Event]:
        opened = await self._read(connection, event_id)
        if opened is None:
            raise NotFound(
                "event: there is none with this id, or it was erased, or kept as long as it might"
            )
        return opened

    async def _read(self, connection: Connection, event_id: bytes) -> Opened | None:
        records = await log_store.by_id(connection, [event_id])
        opened = await self.parts.people.keyring.open_events(connection, records)
        return opened[0] if opened else None
