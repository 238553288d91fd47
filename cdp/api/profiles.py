"""GET /api/v1/profiles/{namespace}:{value}"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp import times
from cdp.api import openapi, pages, refs, samples_history, samples_models, samples_segments
from cdp.api.history import History
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.confidence import confident
from cdp.db import Connection
from cdp.errors import Invalid, NotFound
from cdp.events import ProfileId
from cdp.explaining import Explaining, Reasons
from cdp.modelling import telling
from identity.rulebook import RuleBook
from profiles import segments
from profiles.language.explaining import Explanation, because, missing
from profiles.language.text import telling as words
from profiles.models import store as models
from profiles.segments import Segment


@dataclass(frozen=True, slots=True)
class Profiles:
    """Reading profiles."""

    parts: Parts
    book: RuleBook = field(default_factory=RuleBook)

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/profiles", "Profiles", self.parts.keys)
        routes.get(
            "/{ref:path}/segments/{key}/explain",
            self.explain,
            "profiles:read",
            openapi.read(
                "Why a person is in a segment or not, and until when",
                samples_segments.EXPLANATION,
                named="membership",
            ),
        )
        routes.get(
            "/{ref:path}/models/{key}/explain",
            self.explain_model,
            "profiles:read",
            openapi.read(
                "What a model says of a person now, and what that rests on",
                samples_models.EXPLAINED,
                named="membership",
            ),
        )
        routes.get(
            "/{ref:path}",
            self.get_profile,
            "profiles:read",
            openapi.read("A person's profile", samples_history.THEN, named="ref", takes="profile"),
        )
        return routes.router

    async def get_profile(self, request: Request) -> Response:
        """One person, by any identifier; now, or as of a time."""
        ref, at = request.path_params["ref"], pages.instant(request, "as_of")
        confidence = pages.fraction(request, "min_confidence", 0.5, 1.0)
        if at is not None:
            if confidence is not None:
                raise Invalid("as_of and min_confidence do not go together", field="as_of")
            return pages.json(await History(self.parts, self.book).as_of(ref, at))
        async with self.parts.database.transaction() as connection:
            profile = await refs.profile_of(connection, ref, self.parts.vault.subject)
            found = await self._found(connection, profile, confidence)
        if found is None:
            raise NotFound(f"nobody has been seen as {ref}")
        return pages.json(found)

    async def explain(self, request: Request) -> Response:
        """One person's membership, with what it rests on."""
        ref, now = request.path_params["ref"], times.now()
        parts = self.parts
        async with parts.database.transaction() as connection:
            profile = await refs.profile_of(connection, ref, parts.vault.subject)
            segment = await segments.find(connection, refs.key(request))
            if segment is None:
                raise NotFound(f"there is no segment {request.path_params['key']}")
            explaining = Explaining(parts.people)
            found = await explaining.reasons(connection, segment, profile, now)
        if found is None:
            raise NotFound(f"nobody has been seen as {ref}")
        return pages.json(_explained(profile, segment, found))

    async def explain_model(self, request: Request) -> Response:
        """By what is known of them at this moment; the profile has what was said last."""
        key, parts = refs.key(request), self.parts
        async with parts.database.transaction() as connection:
            ref = request.path_params["ref"]
            profile = await refs.profile_of(connection, ref, parts.vault.subject)
            model = await models.find(connection, key)
            if model is None:
                raise NotFound(f"there is no model {key}")
            told = await telling.told(connection, parts.people, model, profile)
        found = {
            "profile_id": str(uuid.UUID(bytes=profile)),
            "model": key,
            "version": model.fit,
            "value": told.value if told else None,
            "reasons": told.reasons if told else [],
        }
        return pages.json(found)

    async def _found(
        self, connection: Connection, profile: ProfileId, confidence: float | None
    ) -> dict[str, Any] | None:
        people = self.parts.people
        if confidence is None:
            return (await people.load(connection, [profile])).get(profile)
        rules = await self.book.refresh(connection)
        nodes = await confident(connection, rules, profile, confidence, self.parts.people.home)
        return await people.imagined(connection, profile, nodes, times.now())


def _explained(profile: ProfileId, segment: Segment, found: Reasons) -> dict[str, Any]:
    holds = found.tree.holds and not found.refused
    unmet = [f"consent.{found.refused}"] if found.refused else []
    return {
        "profile_id": str(uuid.UUID(bytes=profile)),
        "segment": segment.key,
        "sentence": words.sentence(segment.active or segment.wanted),
        "member": found.since is not None,
        "since": times.iso(found.since) if found.since is not None else None,
        "until": times.iso(found.until) if found.until is not None else None,
        "because": because(found.tree) if holds else [],
        "missing": unmet + ([] if found.tree.holds else missing(found.tree)),
        "tree": _node(found.tree),
    }


def _node(node: Explanation) -> dict[str, Any]:
    return {
        "text": node.text,
        "holds": node.holds,
        "until": times.iso(node.until) if node.until is not None else None,
        "value": node.value,
        "events": [{"id": each.id.hex(), "at": times.iso(each.at)} for each in node.deeds],
        "of": [_node(each) for each in node.of],
    }
