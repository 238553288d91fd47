"""Messages that broke the contract: read why, and take them again after a fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from marshmallow import fields, validate
from starlette.responses import Response

from cdp.api import openapi, pages, samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.collect.visits import Kept
from cdp.collect.wire import read_message
from cdp.forms import Form, WholeNumber, load
from cdp.log import quarantine
from cdp.log.quarantine import Quarantined
from cdp.times import iso

_BATCH = 500
_EXCERPT = 10_000  # bytes shown of what is no message


class ReplaySchema(Form):
    """Which ones to take again; all of them if left out."""

    ids = fields.List(
        WholeNumber(validate=validate.Range(1, 1 << 62)),
        validate=validate.Length(1, 1000),
    )


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Reading and replaying."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/quarantine", "Quarantine", self.parts.keys)
        routes.get(
            "",
            self.list_quarantine,
            "quarantine:read",
            openapi.read("What was refused, and why", samples.QUARANTINE, takes="quarantine"),
            personal=True,
        )
        routes.post(
            "/replay",
            self.replay_quarantine,
            "quarantine:write",
            openapi.write(
                "Take messages again by today's rules",
                "ReplaySchema",
                samples.REPLAYED,
                required=False,
            ),
        )
        return routes.router

    async def list_quarantine(self, request: Request) -> Response:
        """What was refused."""
        after, most = pages.cursor(request, pages.NUMBER), pages.limit(request)
        position = min(int.from_bytes(after), 1 << 62)
        async with self.parts.database.transaction() as connection:
            found = await quarantine.listed(
                connection, self.parts.vault, after=position, limit=most
            )
        last = found[-1].id.to_bytes(8) if len(found) == most else None
        told = [_told(each) for each in found]
        return pages.json({"quarantine": told, "next": pages.next_cursor(last)})

    async def replay_quarantine(self, request: Request) -> Response:
        """Take messages again."""
        loaded, _ = load(ReplaySchema(), await pages.read_body(request) or b"{}")
        return pages.json(await _replay(self.parts, loaded.get("ids")))


async def _replay(parts: Parts, ids: list[int] | None) -> dict[str, Any]:
    """Taking one twice does no harm: the log knows its message id, or the one derived for it."""
    parts.collector.sources.forget_misses()
    taken, after = 0, 0
    refused: list[dict[str, Any]] = []
    while True:
        async with parts.database.transaction() as connection:
            page = await quarantine.listed(
                connection, parts.vault, after=after, limit=_BATCH, ids=ids
            )
        done = []
        for each in page:
            after = each.id
            problem = await parts.collector.again(each.refusal)
            if problem:
                refused.append({"id": each.id, "reason": problem})
            else:
                done.append(each.id)
        if done:
            async with parts.database.transaction() as connection:
                await quarantine.close(connection, done)
        taken += len(done)
        if len(page) < _BATCH:
            return {"replayed": taken, "refused": refused}


def _told(quarantined: Quarantined) -> dict[str, Any]:
    refusal = quarantined.refusal
    message = read_message(msgspec.msgpack.decode(refusal.body, type=Kept).raw)
    shown = message.raw[:_EXCERPT].decode("utf-8", "replace") if message.problem else message.fields
    return {
        "id": quarantined.id,
        "source": refusal.source,
        "received_at": iso(refusal.received_at),
        "reason": refusal.reason,
        "field": refusal.field,
        "route": refusal.route,
        "message": shown,
    }
