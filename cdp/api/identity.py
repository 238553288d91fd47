"""Identity: who is the same person and why, and operators' word on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

import identity.store as identity_store
from cdp import times
from cdp.api import acting, openapi, pages, refs
from cdp.api import samples_identity as samples
from cdp.api.graph import Shown
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Conflict, Invalid, NotFound
from cdp.events import Identifier, SubjectId
from cdp.facts import fact
from cdp.forms import load
from cdp.log.writing import fact_of
from cdp.tracing import Trace, Tracing
from identity import explain
from identity.rulebook import RuleBook
from identity.schema import RulingSchema


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything about who is who."""

    parts: Parts
    book: RuleBook = field(default_factory=RuleBook)

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/identity", "Identity", self.parts.keys)
        for word in ("link", "unlink"):
            routes.post(
                f"/{word}",
                self._ruling(word),
                "identity:write",
                openapi.write(_SUMMARY[word], "RulingSchema", samples.RULED),
            )
        routes.get(
            "/explain",
            self.get_explanation,
            "identity:read",
            openapi.read("Why two are the same, or not", samples.EXPLAINED, takes="two"),
            personal=True,
        )
        routes.get(
            "/suspects",
            self.list_suspects,
            "identity:read",
            openapi.read(
                "What strangers share, and unions that await a review",
                samples.SUSPECTS,
                takes="suspects",
            ),
            personal=True,
        )
        routes.get(
            "/{ref:path}",
            self.get_identity,
            "identity:read",
            openapi.read("The graph around a person", samples.IDENTITY, named="ref"),
        )
        return routes.router

    def _ruling(self, word: str) -> Any:
        async def rule(request: Request) -> Response:
            loaded, _ = load(RulingSchema(), await pages.read_body(request))
            return pages.json(await self._rule(request, word, loaded))

        rule.__doc__ = _SUMMARY[word]
        return rule

    async def _rule(self, request: Request, word: str, loaded: dict[str, Any]) -> dict[str, Any]:
        a, b = (_identifier(loaded.pop(name), name) for name in ("a", "b"))
        acting.named(request, a, b)
        if a == b:
            raise Conflict("b: is the same identifier as a", field="b")
        event = fact(self.parts.vault, word, loaded | {"identifiers": [list(a), list(b)]})
        subject = self.parts.vault.subject(*a)
        await self.parts.appender.tell([fact_of(event, subject, consent=True)])
        return {"fact": event.id.hex(), "at": times.iso(event.at)}

    async def get_identity(self, request: Request) -> Response:
        """A person's identifiers, links, former ids and history."""
        ref = request.path_params["ref"]
        async with self.parts.database.transaction() as connection:
            profile = await refs.profile_of(connection, ref, self.parts.vault.subject)
            shown = await self._shown(connection, [profile])
            told = await shown.person(connection, profile)
        return pages.json(told)

    async def get_explanation(self, request: Request) -> Response:
        """The strongest way from one to the other."""
        a, b = (_identifier(request.query_params.get(name, ""), name) for name in ("a", "b"))
        nodes = [self.parts.vault.subject(*each) for each in (a, b)]
        async with self.parts.database.transaction() as connection:
            shown = await self._shown(connection, nodes)
            for node, ref in zip(nodes, (a, b), strict=True):
                if node not in shown.trace.placed:
                    raise NotFound(f"nobody has been seen as {ref.namespace}:{ref.value}")
            trace = shown.trace
            found = explain.way(trace.facts, trace.resolution, shown.tracing.rules, *nodes)
            told = await shown.explanation(connection, found)
        return pages.json(told)

    async def list_suspects(self, request: Request) -> Response:
        """Page by page."""
        after, most = pages.cursor(request, pages.PROFILE), pages.limit(request)
        async with self.parts.database.transaction() as connection:
            found = await identity_store.suspects(connection, after=after, limit=most)
            shown = await self._shown(connection, [each.node.id for each in found])
            suspects = [told for each in found for told in shown.suspects(each)]
        last = found[-1].node.id if len(found) == most else None
        return pages.json({"suspects": suspects, "next": pages.next_cursor(last)})

    async def _shown(self, connection: Connection, nodes: list[SubjectId]) -> Shown:
        tracing = Tracing(self.parts.people, await self.book.refresh(connection))
        trace: Trace = await tracing.around(connection, nodes)
        return Shown(tracing, trace)


_SUMMARY = {
    "link": "Say that two identifiers are the same person",
    "unlink": "Say that two identifiers are not the same person",
}


def _identifier(ref: str, field: str) -> Identifier:
    named = refs.identifier(ref) if ":" in ref else None
    if not isinstance(named, Identifier):
        raise Invalid(f"{field}: name it as namespace:value, like user_id:ada", field=field)
    return named
