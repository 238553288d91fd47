"""The door that carries the load: what SDKs post and pages ask, answered before any framework.

Finding a route among all others and calling it takes FastAPI five times as long as reading the
request and answering it. These addresses are fixed, so a look-up in a dictionary will do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from cdp.api import problems
from cdp.api.guarded import NOSNIFF
from cdp.api.measured import ROUTE
from cdp.collect.routes import Handler
from cdp.errors import Overloaded, ProblemError, StoreUnavailable

_ENDING = Overloaded("this server is about to end; send again")


class Front:
    """ASGI; everything else goes on to the application behind it."""

    def __init__(
        self,
        app: ASGIApp,
        posts: Mapping[str, Handler],
        gets: Mapping[str, Handler] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._handlers = {"POST": posts, "GET": gets}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on. An error that is nobody's fault but ours is raised, and answered."""
        handler = None
        if scope["type"] == "http" and scope["method"] in self._handlers:
            handler = self._handlers[scope["method"]].get(scope["path"])
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope[ROUTE] = scope["path"]
        request = Request(scope, receive)
        try:
            response = await handler(request)
        except (ProblemError, StoreUnavailable) as error:
            response = problems.told(request, error, scope["path"])
        except asyncio.CancelledError:  # this process ends, and its last moments are over
            response = problems.told(request, _ENDING, scope["path"])
        except Exception as error:
            await problems.unexpected(request, error, scope["path"])(scope, receive, send)
            raise
        response.raw_headers.append(NOSNIFF)
        await response(scope, receive, send)
