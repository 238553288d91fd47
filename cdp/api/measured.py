"""Around every route: how often, how long, with which status; and a span, where that is asked for.

Routes go by their patterns. A path may name a person, and there is no end of them.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cdp import metrics, telemetry
from cdp.collect.request import TRACE
from cdp.telemetry import Traces

if TYPE_CHECKING:
    from opentelemetry.trace import Span

ROUTE: Final = "cdp.route"  # in a request's scope, set by whoever answers before the framework
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
_HUNG_UP = 499  # as nginx has it: the caller did not wait for an answer


@functools.cache  # finding them anew takes longer than counting
def _counted(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return metrics.requests.labels(method, route, status), metrics.request_seconds.labels(route)


class Measured:
    """ASGI; the outermost. Without `traces` there are no spans."""

    def __init__(self, app: ASGIApp, traces: Traces | None) -> None:
        self._app = app
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), _HUNG_UP

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        span = self._begin(scope) if self._traces is not None else None
        try:
            await self._app(scope, receive, noting)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = str(scope.get(ROUTE) or getattr(scope.get("route"), "path", "other"))
            count, seconds = _counted(method, route, status)
            count.inc()
            seconds.observe(time.perf_counter() - started)
            if span is not None:
                self._end(span, method, route, status)

    def _begin(self, scope: Scope) -> Span:
        assert self._traces is not None
        said = (value for name, value in scope["headers"] if name == b"traceparent")
        span = self._traces.request(next(said, b"").decode("latin-1"))
        trace = telemetry.kept(span)
        if trace:
            scope[TRACE] = trace
            structlog.contextvars.bind_contextvars(trace_id=telemetry.trace_id(trace))
        return span

    def _end(self, span: Span, method: str, route: str, status: int) -> None:
        assert self._traces is not None
        structlog.contextvars.unbind_contextvars("trace_id")
        span.update_name(f"{method} {route}")
        span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
            }
        )
        if status >= 500:
            self._traces.failed(span, f"HTTP {status}")
        span.end()
