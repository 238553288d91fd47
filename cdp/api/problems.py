"""Errors as answers: application/problem+json (RFC 9457), and what SDKs expect on theirs."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from cdp.errors import Overloaded, ProblemError, StoreUnavailable, TooMany

log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(ProblemError, _expected)
    app.add_exception_handler(StoreUnavailable, _expected)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def told(request: Request, error: ProblemError | StoreUnavailable, route: str) -> Response:
    """The answer to what callers do wrong and to what passes by itself."""
    if isinstance(error, StoreUnavailable):
        log.warning("store_unavailable", route=route, error=str(error))
        error = Overloaded("the store does not answer; send again later")
    headers = {}
    if isinstance(error, Overloaded | TooMany):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, TooMany):  # draft-ietf-httpapi-ratelimit-headers
        headers["RateLimit-Policy"] = error.policy
        headers["RateLimit"] = f"{error.policy.partition(';')[0]};r=0;t={error.retry_after}"
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="cdp"'
    more = {"field": error.field, "errors": error.errors}
    return answer(request, error.status, error.title, error.detail, headers=headers, more=more)


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError | StoreUnavailable)
    return told(request, error, _route(request))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answer(request, error.status_code, title, str(error.detail), headers=headers)


def unexpected(request: Request, error: Exception, route: str) -> Response:
    """A bug of ours; the server logs it with its trace, the caller gets no inside view."""
    log.error("unexpected", route=route, error=type(error).__name__)
    return answer(request, 500, "Internal error", "this is a fault of the platform; it is logged")


async def _unexpected(request: Request, error: Exception) -> Response:
    return unexpected(request, error, _route(request))


def _methods(request: Request) -> set[str]:
    """Every method that some route takes on this path; the framework names the first route's."""
    methods: set[str] = set()
    for route in _routes(request.app.router):
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods


def _routes(router: Any) -> Iterator[BaseRoute]:
    """Also those of routers that were included: the framework keeps them apart."""
    for each in router.routes:
        inner = getattr(each, "original_router", None)
        if inner is None:
            yield each
        else:
            yield from _routes(inner)


def answer(
    request: Request,
    status: int,
    title: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    more: dict[str, Any] | None = None,
) -> Response:
    """A problem document; on the collector's routes an object with `code` and `message`.

    RudderStack's Python SDK takes a 400 without these two for a network error, and retries.
    """
    if request.url.path.startswith(("/api/v1", "/preferences")):
        content: dict[str, Any] = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            **{name: value for name, value in (more or {}).items() if value},
        }
        media_type = "application/problem+json"
    else:
        content = {"code": title.lower().replace(" ", "_"), "message": detail}
        media_type = "application/json"
    body = msgspec.json.encode(content)
    return Response(body, status_code=status, headers=headers, media_type=media_type)


def _route(request: Request) -> str:
    """The route's pattern, not its path: a path may name a person."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "unknown"))
