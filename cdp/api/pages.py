"""Pages and bodies: limits, opaque cursors, and answers as JSON."""

from __future__ import annotations

import base64
import binascii

import msgspec
from fastapi import Request
from starlette.responses import Response

from cdp import times
from cdp.errors import Invalid, TooLarge
from cdp.events import Instant

MAX_BODY = 1 << 20  # bytes of what people write by hand
# Bytes of a position: in quarantine, members, deliveries, timelines, suggestions.
NUMBER, PROFILE, DELIVERY, TIMELINE, PAIR = 8, 16, 24, 25, 32


def limit(request: Request, *, default: int = 100, most: int = 1000) -> int:
    """How many entries a page has."""
    return whole_number(request, "limit", default, 1, most)


def whole_number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A number in the query string."""
    raw = request.query_params.get(name)
    if raw is None:
        return default
    digits = raw.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        raise Invalid(f"{name} must be a whole number", field=name)
    if not least <= int(raw) <= most:
        raise Invalid(f"{name} must be from {least} to {most}", field=name)
    return int(raw)


def fraction(request: Request, name: str, least: float, most: float) -> float | None:
    """A number in the query string; None if it is not there."""
    raw = request.query_params.get(name)
    if raw is None:
        return None
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise Invalid(f"{name} must be a number from {least} to {most}", field=name)
    return value


def instant(request: Request, name: str) -> Instant | None:
    """A time that has passed, in the query string; None if it is not there."""
    raw = request.query_params.get(name)
    if raw is None:
        return None
    try:
        found = times.parse(raw)
    except ValueError as error:
        raise Invalid(f"{name} {error}", field=name) from None
    if found > times.now():
        raise Invalid(f"{name} lies in the future: leave it out for now", field=name)
    return found


def in_order(since: Instant, until: Instant) -> None:
    """Invalid if the one moment comes after the other."""
    if since > until:
        raise Invalid("from must not lie after to", field="from")


def texts(request: Request, name: str) -> frozenset[str]:
    """Short texts in the query string, each under the same name."""
    found = request.query_params.getlist(name)
    if len(found) > 100 or any("\x00" in each or len(each) > 200 for each in found):
        raise Invalid(
            f"{name} must be up to 100 texts of at most 200 characters, without NUL", field=name
        )
    return frozenset(found)


def text(request: Request, name: str) -> str:
    """A short text in the query string; empty if it is not there."""
    found = request.query_params.get(name, "")
    if "\x00" in found or len(found) > 200:
        raise Invalid(f"{name} must be a text of at most 200 characters, without NUL", field=name)
    return found


def cursor(request: Request, size: int) -> bytes:
    """Where the last page ended, in `size` bytes; empty for the first page."""
    raw = request.query_params.get("cursor", "")
    try:
        position = base64.b64decode(raw.encode("ascii"), b"-_", validate=True)
    except (binascii.Error, ValueError):
        position = b"?"
    if position and len(position) != size:
        raise Invalid("cursor must be the `next` of an earlier page", field="cursor")
    return position


def next_cursor(position: bytes | None) -> str | None:
    """A position as callers see it."""
    return None if position is None else base64.urlsafe_b64encode(position).decode()


async def read_body(request: Request) -> bytes:
    """The body, within the bound."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLarge(f"the body is over {MAX_BODY} bytes")
    return body


def json(content: object, status: int = 200) -> Response:
    """An answer."""
    body = msgspec.json.encode(content)
    return Response(body, status_code=status, media_type="application/json")
