"""The door that carries the load: the collector's POST routes, answered before any framework.

Finding a route among all others and calling it takes FastAPI five times as long as reading the
request and answering it. These addresses are fixed, so a look-up in a dictionary will do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cdp.api import problems
from cdp.errors import ProblemError, StoreUnavailable


class Front:
    """ASGI middleware; everything else goes on to the application behind it."""

    def __init__(
        self, app: ASGIApp, posts: Mapping[str, Callable[[Request], Awaitable[Response]]]
    ) -> None:
        self._app = app
        self._posts = posts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on. An error that is nobody's fault but ours is raised."""
        handler = None
        if scope["type"] == "http" and scope["method"] == "POST":
            handler = self._posts.get(scope["path"])
        if handler is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await handler(request)
        except (ProblemError, StoreUnavailable) as error:
            response = problems.told(request, error, scope["path"])
        await response(scope, receive, send)
