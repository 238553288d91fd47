"""Answers that need not be sent again: ETag and If-None-Match (RFC 9110, sections 8.8.3 and 13)."""

from __future__ import annotations

import hashlib

import msgspec
from fastapi import Request
from starlette.responses import Response


def tag_of(request: Request, *version: object) -> str:
    """Of what is asked for, at a version: the same as long as the answer is."""
    asked = request.url.path, request.url.query, request.headers.get("accept", "")
    content = msgspec.msgpack.encode([asked, version])
    return f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'


def unchanged(request: Request, tag: str) -> Response | None:
    """The answer to who has it already; None to whoever has not."""
    said = request.headers.get("if-none-match", "")
    known = {each.strip().removeprefix("W/") for each in said.split(",")}
    if tag not in known and "*" not in known:
        return None
    return tagged(Response(status_code=304), tag)


def tagged(response: Response, tag: str) -> Response:
    """An answer that says what it is."""
    response.headers["etag"] = tag
    response.headers["vary"] = "Accept"
    return response
