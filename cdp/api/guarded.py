"""What every answer tells a browser beside its content: sniff nothing, frame nothing, keep nothing.

For all that the framework answers. The collector's POST routes get what they need in `Front`.
"""

from __future__ import annotations

import re
import uuid

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cdp.collect.request import Visitors

NOSNIFF = (b"x-content-type-options", b"nosniff")
_REFERRER = (b"referrer-policy", b"no-referrer")
_NOTHING = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE = (b"cache-control", b"no-store")
_SAME_SITE = (b"cross-origin-resource-policy", b"same-origin")
_HTTPS = (b"strict-transport-security", b"max-age=31536000")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_API = "/api/v1/"


class Guarded:
    """ASGI; a header that is there already stays as it is. Requests get their id here."""

    def __init__(self, app: ASGIApp, visitors: Visitors) -> None:
        self._app = app
        self._visitors = visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with these headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        headers = [NOSNIFF, _REFERRER, _NOTHING, (b"x-request-id", _identified(request))]
        if self._visitors.scheme(request) == "https":
            headers.append(_HTTPS)
        if scope["path"].startswith(_API):
            headers += [_NO_STORE, _SAME_SITE]

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name.lower() for name, _ in message["headers"]}
                more = [each for each in headers if each[0] not in said]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, send_guarded)


def _identified(request: Request) -> bytes:
    """The caller's own id, if it is one, else a new one."""
    given = request.headers.get("x-request-id", "")
    request.state.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    return bytes(request.state.request_id, "ascii")
