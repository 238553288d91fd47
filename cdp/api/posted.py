"""A form as browsers and mail programs post it: URL-encoded, or in parts."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from urllib.parse import parse_qsl

from fastapi import Request

from cdp.api import pages
from cdp.errors import Invalid

_MOST = 1000  # fields


async def fields(request: Request) -> dict[str, list[str]]:
    """The values of every field; files are taken for text, whatever they are."""
    body = await pages.read_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    found: dict[str, list[str]] = {}
    pairs = _parts(request, body) if kind == "multipart/form-data" else _encoded(body)
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _encoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST)
    except ValueError:
        raise Invalid("the body is not a form") from None


def _parts(request: Request, body: bytes) -> Iterator[tuple[str, str]]:
    """RFC 7578 is what RFC 2046 says of mail, so the reader of mail reads it."""
    head = b"content-type: " + request.headers["content-type"].encode("latin-1") + b"\r\n\r\n"
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, content.decode(errors="replace").strip()
