"""The way in for who has a token: within the rate of its address, and what goes wrong is a page.

The token in the path is the whole credential: there are no cookies, so there is nothing another
site's form could ride on (CSRF), and no page gives its address away (`no-referrer`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp.api import answering
from cdp.collect.request import Visitors
from cdp.errors import NotFound, ProblemError, StoreUnavailable
from cdp.limits import Rates, caller
from cdp.preferences.choices import Deciding, Shown
from cdp.preferences.languages import Language
from cdp.preferences.page import version
from cdp.preferences.store import Brand
from cdp.preferences.token import Link, Scope

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Door:
    """Every route under /preferences goes through it."""

    def __init__(self, deciding: Deciding, visitors: Visitors, rates: Rates) -> None:
        self.deciding = deciding
        self.brand = Brand()  # as it last was: for pages that have no token to look it up by
        self.router = APIRouter(prefix="/preferences", tags=["Preference centre"])
        self._visitors = visitors
        self._rates = rates
        # As many as keys may be guessed, and counted apart: neither is in the other's way.
        self._guesses = rates.failures and rates.failures._replace(name="links")

    def add(
        self,
        method: str,
        path: str,
        handler: Handler,
        about: dict[str, Any],
        *,
        limited: bool = True,
    ) -> None:
        """A route; each GET answers HEAD too. If it is not `limited`, only guessing has a rate."""
        answered = self._answered(handler, limited=limited)
        self.router.add_api_route(path, answered, methods=[method], **about)
        if method == "GET":
            self.hide("HEAD", path, answered)

    def hide(self, method: str, path: str, handler: Handler) -> None:
        """A route that OpenAPI says nothing of."""
        self.router.add_api_route(path, handler, methods=[method], include_in_schema=False)

    def _answered(self, handler: Handler, *, limited: bool) -> Handler:
        """Within the rate of its address; what goes wrong is a page."""

        async def answer(request: Request) -> Response:
            try:
                if limited:
                    await self._rates.limits.take(self._rates.address, self._caller(request))
                return await handler(request)
            except (ProblemError, StoreUnavailable) as error:
                route = request.scope["route"].path
                return answering.refused(request, error, route, self.brand)

        return answer

    async def opened(self, request: Request, scope: Scope) -> Link:
        """The link in the path. Who tries tokens that are none is told so only so often."""
        try:
            link, self.brand = await self.deciding.opened(request.path_params["token"], scope)
        except NotFound:
            await self._rates.limits.take(self._guesses, self._caller(request))
            raise
        return link

    def _caller(self, request: Request) -> str:
        return caller(self._visitors.address(request))


def shown(language: Language) -> Shown:
    """What somebody sees who decides on a page in this language."""
    return Shown(language.code, version(language.code))
