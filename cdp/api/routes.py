"""How a route of the management API is declared: path, handler, scope, documentation.

What changes something is in the audit log, and so is what shows a person: whose path names one, or
which says `personal`.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from cdp.api.acting import Handler, audited
from cdp.api.auth import Keys


class Routes:
    """Collects routes under a prefix, each behind a scope."""

    def __init__(self, prefix: str, tag: str, keys: Keys) -> None:
        self.router = APIRouter(prefix=prefix, tags=[tag])
        self._keys = keys

    def get(
        self,
        path: str,
        handler: Handler,
        scope: str,
        about: dict[str, Any],
        *,
        personal: bool = False,
    ) -> None:
        """A read."""
        if personal or "{ref" in path:
            handler = audited(self._keys.audit, handler, reads=True)
        self._add("GET", path, handler, scope, about)

    def put(self, path: str, handler: Handler, scope: str, about: dict[str, Any]) -> None:
        """Create or change under a known name."""
        self._change("PUT", path, handler, scope, about)

    def post(
        self,
        path: str,
        handler: Handler,
        scope: str,
        about: dict[str, Any],
        *,
        personal: bool = False,
    ) -> None:
        """Do something; `personal` is what only reads, of people whom its body names."""
        if personal:
            self._add("POST", path, audited(self._keys.audit, handler, reads=True), scope, about)
        else:
            self._change("POST", path, handler, scope, about)

    def delete(self, path: str, handler: Handler, scope: str, about: dict[str, Any]) -> None:
        """Remove."""
        self._change("DELETE", path, handler, scope, about)

    def _change(
        self, method: str, path: str, handler: Handler, scope: str, about: dict[str, Any]
    ) -> None:
        handler = audited(self._keys.audit, handler, reads=False)
        self._add(method, path, handler, scope, about)

    def _add(
        self, method: str, path: str, handler: Handler, scope: str, about: dict[str, Any]
    ) -> None:
        guarded = [self._keys.needs(scope)]
        about = about | {
            "description": f"Takes an API key with the scope `{scope}`.",
            "openapi_extra": about["openapi_extra"] | {"security": [{"apiKey": [scope]}]},
        }
        self.router.add_api_route(path, handler, methods=[method], dependencies=guarded, **about)
