"""How a route of the management API is declared: path, handler, scope, documentation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp.api.auth import Keys

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Routes:
    """Collects routes under a prefix, each behind a scope."""

    def __init__(self, prefix: str, tag: str, keys: Keys) -> None:
        self.router = APIRouter(prefix=prefix, tags=[tag])
        self._keys = keys

    def get(self, path: str, handler: Handler, scope: str, about: dict[str, Any]) -> None:
        """A read."""
        self._add("GET", path, handler, scope, about)

    def put(self, path: str, handler: Handler, scope: str, about: dict[str, Any]) -> None:
        """Create or change under a known name."""
        self._add("PUT", path, handler, scope, about)

    def post(self, path: str, handler: Handler, scope: str, about: dict[str, Any]) -> None:
        """Do something."""
        self._add("POST", path, handler, scope, about)

    def delete(self, path: str, handler: Handler, scope: str, about: dict[str, Any]) -> None:
        """Remove."""
        self._add("DELETE", path, handler, scope, about)

    def _add(
        self, method: str, path: str, handler: Handler, scope: str, about: dict[str, Any]
    ) -> None:
        guarded = [self._keys.needs(scope)]
        self.router.add_api_route(path, handler, methods=[method], dependencies=guarded, **about)
