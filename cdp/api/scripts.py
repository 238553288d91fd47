"""cdp.js, its service worker and its types: what pages load, the same for all of them."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

_FILES = {
    "cdp.js": ("text/javascript", "The web SDK: content in slots, and push messages"),
    "cdp-sw.js": ("text/javascript", "The service worker that shows push messages"),
    "cdp.d.ts": ("text/plain", "Types of the web SDK, for TypeScript"),
}


class _File(NamedTuple):
    plain: bytes
    packed: bytes
    tag: str


def router() -> APIRouter:
    """Their routes; they take no key."""
    made = APIRouter(tags=["Web"])
    for name, (media_type, about) in _FILES.items():
        content = {media_type: {"schema": {"type": "string"}}}
        made.add_api_route(
            f"/{name}",
            _serve(name, media_type),
            methods=["GET"],
            summary=about,
            responses={200: {"description": "The file", "content": content}},
            response_model=None,
            openapi_extra={"security": [{}]},
        )
    return made


def _serve(name: str, media_type: str) -> Any:
    async def serve(request: Request) -> Response:
        file = _read(name)
        headers = {
            "ETag": file.tag,
            "Cache-Control": "public, max-age=3600",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Vary": "Accept-Encoding",
        }
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(file.packed, headers=headers, media_type=media_type)
        return Response(file.plain, headers=headers, media_type=media_type)

    return serve


@cache
def _read(name: str) -> _File:
    plain = (resources.files("cdp.web") / name).read_bytes()
    tag = f'"{hashlib.sha256(plain).hexdigest()[:24]}"'
    return _File(plain, gzip.compress(plain, 9, mtime=0), tag)
