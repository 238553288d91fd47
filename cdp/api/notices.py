"""Notices: the wordings that people are shown when they decide, by version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp import times
from cdp.api import openapi, pages, refs, samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.errors import Conflict, NotFound
from cdp.forms import load
from consent import notices
from consent.notices import Notice
from consent.schema import NoticeSchema


@dataclass(frozen=True, slots=True)
class Notices:
    """Everything about notices."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/consent/notices", "Consent", self.parts.keys)
        routes.get(
            "", self.list_notices, "consent:read", openapi.read("All notices", samples.NOTICES)
        )
        routes.put(
            "/{key}",
            self.put_notice,
            "consent:write",
            openapi.write(
                "Keep a version of a notice", "NoticeSchema", samples.NOTICE, named="key"
            ),
        )
        routes.get(
            "/{key}",
            self.get_notice,
            "consent:read",
            openapi.read("One version of a notice", samples.NOTICE, named="key"),
        )
        return routes.router

    async def list_notices(self, request: Request) -> Response:
        """Every version."""
        async with self.parts.database.transaction() as connection:
            found = await notices.read(connection)
        by_version = groupby(found, key=lambda each: each.version)
        return pages.json({"notices": [_shown(version, each) for version, each in by_version]})

    async def get_notice(self, request: Request) -> Response:
        """One version."""
        key = refs.key(request)
        async with self.parts.database.transaction() as connection:
            found = await notices.read(connection, [key])
        if not found:
            raise NotFound(f"there is no notice {key}")
        return pages.json(_shown(key, found))

    async def put_notice(self, request: Request) -> Response:
        """Keep one. Languages may be added, but what people have been shown stays as it was."""
        key = refs.key(request)
        loaded, _ = load(NoticeSchema(), await pages.read_body(request))
        texts = {lang: (each["title"], each["text"]) for lang, each in loaded["texts"].items()}
        async with self.parts.changing(request) as connection:
            if not await notices.put(connection, key, texts):
                raise Conflict(
                    f"notice {key} has other words, and what people saw stays: take a new version"
                )
            found = await notices.read(connection, [key])
        return pages.json(_shown(key, found))


def _shown(version: str, found: Iterable[Notice]) -> dict[str, Any]:
    texts = {
        each.language: {
            "title": each.title,
            "text": each.text,
            "text_hash": each.text_hash,
            "created_at": times.iso(times.from_datetime(each.created_at)),
        }
        for each in found
    }
    return {"version": version, "texts": texts}
