"""Matching: what is compared of people, what was learned, and whom it suggests to be one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp import times
from cdp.api import openapi, pages
from cdp.api import samples_identity as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Conflict
from cdp.forms import load
from cdp.scheduler.matchwork import ENOUGH, unseal
from cdp.tracing import Tracing
from identity import inferences
from identity.matching import store
from identity.matching.facts import evidence
from identity.matching.model import Model, Weight, said
from identity.matching.schema import MatchingSchema, read
from identity.matching.store import Counts, Version
from identity.rulebook import RuleBook

_OFF = {"version": 0, "state": "off", "since": None, "matching": None, "learned": None}
_ALL = 1.01  # above every probability


@dataclass(frozen=True, slots=True)
class Matching:
    """Everything about likeness."""

    parts: Parts
    book: RuleBook = field(default_factory=RuleBook)

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/identity", "Identity", self.parts.keys)
        routes.get(
            "/matching",
            self.get_matching,
            "identity:read",
            openapi.read("What is compared, and what was learned", samples.MATCHING),
        )
        routes.put(
            "/matching",
            self.put_matching,
            "identity:write",
            openapi.write(
                "Compare people, or compare them otherwise", "MatchingSchema", samples.MATCHING
            ),
        )
        routes.delete(
            "/matching",
            self.delete_matching,
            "identity:write",
            openapi.delete("Compare nobody any more", named=""),
        )
        routes.post(
            "/matching/learn",
            self.learn,
            "identity:write",
            openapi.act("Learn the weights again", samples.MATCHING),
        )
        routes.get(
            "/suggestions",
            self.list_suggestions,
            "identity:read",
            openapi.read(
                "Pairs that are probably one person", samples.SUGGESTIONS, takes="suggestions"
            ),
            personal=True,
        )
        return routes.router

    async def get_matching(self, request: Request) -> Response:
        """What holds, how far it is, and the weights."""
        async with self.parts.database.transaction() as connection:
            return pages.json(await self._shown(connection))

    async def put_matching(self, request: Request) -> Response:
        """From the beginning; what was said before stays until it is said otherwise."""
        loaded, _ = load(MatchingSchema(), await pages.read_body(request))
        async with self.parts.changing(request) as connection:
            await store.put(connection, loaded)
            return pages.json(await self._shown(connection))

    async def delete_matching(self, request: Request) -> Response:
        """Off; what was said before stays, and the rules say whether it counts."""
        async with self.parts.changing(request) as connection:
            await store.put(connection, None)
        return Response(status_code=204)

    async def learn(self, request: Request) -> Response:
        """In the background; what was learned before holds meanwhile."""
        async with self.parts.changing(request) as connection:
            if not await store.learn_again(connection):
                raise Conflict("nothing has been learned yet, or is being learned right now")
            return pages.json(await self._shown(connection))

    async def list_suggestions(self, request: Request) -> Response:
        """Page by page; say what is so with link and unlink."""
        at, most = pages.cursor(request, pages.PAIR), pages.limit(request)
        async with self.parts.database.transaction() as connection:
            rules = await self.book.refresh(connection)
            found = await inferences.suggestions(
                connection, after=(at[:16], at[16:]), below=rules.confidence or _ALL, limit=most
            )
            tracing = Tracing(self.parts.people, rules)
            trace = await tracing.around(connection, {end for pair in found for end in pair[:2]})
            events = await tracing.evidence(connection, (each.event for each in found))
        told = [
            {
                "a": trace.name(each.a),
                "b": trace.name(each.b),
                "probability": each.probability,
                "at": times.iso(each.at),
                "fields": evidence(events[each.event]) if each.event in events else [],
            }
            for each in found
        ]
        last = found[-1].a + found[-1].b if len(found) == most else None
        return pages.json({"suggestions": told, "next": pages.next_cursor(last)})

    async def _shown(self, connection: Connection) -> dict[str, Any]:
        version = await store.current(connection)
        counts = await store.counts(connection)
        if version is None:
            return (
                _OFF
                | counts._asdict()
                | {"hint": "PUT what to compare; {} compares what SDKs know"}
            )
        spec = None if version.spec is None else read(version.spec)
        model = unseal(self.parts.people, version, spec) if spec and version.model else None
        return {
            "version": version.version,
            "state": "off" if spec is None else version.state,
            "hint": _hint(version, counts),
            "since": times.iso(times.from_datetime(version.created_at)),
            **counts._asdict(),
            "matching": version.spec,
            "learned": _learned(version, model) if model else None,
        }


def _hint(version: Version, counts: Counts) -> str:
    if version.spec is None:
        return "PUT what to compare; {} compares what SDKs know"
    if version.state == "learning" and counts.compared < ENOUGH:
        return f"waiting for {ENOUGH} people who allow profiling to learn from"
    if version.state == "learning":
        return "learning the weights"
    return (
        "looking at everybody"
        if version.state == "filling"
        else "people are compared when they change"
    )


def _learned(version: Version, model: Model) -> dict[str, Any]:
    at = version.learned_at
    return {
        "at": times.iso(times.from_datetime(at)) if at else None,
        "records": model.records,
        "same": model.prior.same,
        "household": model.prior.household,
        "fields": [
            {
                "name": each.name,
                "levels": _levels(weight, [said(each, i) for i in range(len(weight.m))]),
            }
            for each, weight in zip(model.fields, model.weights, strict=True)
        ],
    }


def _levels(weight: Weight, words: list[str]) -> list[dict[str, Any]]:
    """How often each is seen of one person and of two, and what that is worth."""
    return [
        {"says": says, "one": round(m, 6), "two": round(u, 6), "bits": round(math.log2(m / u), 2)}
        for says, m, u in zip(words, weight.m, weight.u, strict=True)
    ]
