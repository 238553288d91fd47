"""Cross-origin rules of the collector's routes: the caller's origin is echoed, with credentials."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = "GET, HEAD, POST, OPTIONS"
_MAX_AGE = "600"  # seconds a browser may remember a preflight
_PREFIXES = (
    *("/v1", "/b", "/beacon", "/api/s", "/sourceConfig", "/analytics.js", "/p.js"),
    *("/cdp.js", "/cdp-sw.js", "/personalize", "/push"),
)


class CollectorCors:
    """ASGI middleware; leaves the management API alone, which no page should call."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer preflights, and add the headers to every other answer, errors too."""
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIXES):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if scope["method"] == "OPTIONS":
            response = Response(status_code=200, headers=_preflight(origin, headers))
            await response(scope, receive, send)
            return
        if origin is None:
            await self._app(scope, receive, send)
            return

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_origin(origin))
            await send(message)

        await self._app(scope, receive, send_with_origin)


def _origin(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "Retry-After",
        "Vary": "Origin",
    }


def _preflight(origin: str | None, headers: Headers) -> dict[str, str]:
    answer = _origin(origin) if origin else {}
    wanted = headers.get("access-control-request-headers")
    if wanted:
        answer["Access-Control-Allow-Headers"] = wanted
    return answer | {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Max-Age": _MAX_AGE,
    }
