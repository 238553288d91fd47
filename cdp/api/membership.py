"""Who is in a segment, for whoever pulls it: what comes along, in which form, and which version."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import msgspec
from fastapi import Request

from cdp.api import refs
from cdp.api.parts import Parts
from cdp.db import Connection
from cdp.errors import Invalid, NotFound
from cdp.events import TOUCHED
from cdp.pulling import Pulling
from cdp.stream import checkpoints
from cdp.times import iso
from profiles import presence
from profiles.audience import Member
from profiles.audience import members as page_of
from profiles.presence import Audience

NDJSON = "application/x-ndjson"
_PAGE = 1000


def included(request: Request) -> set[str]:
    """What is to come along; Invalid if it is nothing that there is."""
    wanted = set(request.query_params.get("include", "identifiers").split(","))
    if wanted != {"none"} and not wanted <= {"identifiers", "traits"}:
        raise Invalid("include must be identifiers, traits, both with a comma, or none")
    return wanted - {"none"}


async def found(connection: Connection, request: Request) -> tuple[str, Audience]:
    """Which one is asked for, without counting it."""
    key = refs.key(request)
    audience = await presence.find(connection, key)
    if audience is None:
        raise NotFound(f"there is no segment {key}")
    return key, audience


async def version(
    connection: Connection, key: str, segment: int, include: Collection[str]
) -> tuple[object, ...]:
    """Of members alone, of their coming and going; with what is known of them, of anything new."""
    told = await presence.version(connection, key)
    more = await checkpoints.version(connection, TOUCHED) if include else ()
    return segment, *told, *more


async def members(
    parts: Parts, connection: Connection, page: Sequence[Member], include: Collection[str]
) -> list[dict[str, Any]]:
    """A page as it is told."""
    views = {}
    if include:
        views = await parts.people.load(connection, [member.profile for member in page])
    return [
        {
            "profile_id": str(uuid.UUID(bytes=member.profile)),
            "since": iso(member.since),
            **{
                name: views[member.profile][name]
                for name in ("identifiers", "traits")
                if name in include and member.profile in views
            },
        }
        for member in page
    ]


def lines(parts: Parts, segment: int, include: Collection[str]) -> AsyncIterator[bytes]:
    """Every member; memory stays flat, and no transaction is held open."""
    if "traits" in include:
        return _whole(parts, segment, include)
    return Pulling(parts.database, parts.vault).lines(segment, identifiers=bool(include))


async def _whole(parts: Parts, segment: int, include: Collection[str]) -> AsyncIterator[bytes]:
    """With what takes everything that there is of a person."""
    encoder = msgspec.json.Encoder()
    after = b""
    while True:
        async with parts.database.transaction() as connection:
            page = await page_of(connection, segment, after=after, limit=_PAGE)
            told = await members(parts, connection, page, include)
        yield encoder.encode_lines(told)
        if len(page) < _PAGE:
            return
        after = page[-1].profile
