"""Answers of the preference centre: pages in a person's language, or JSON for pages of others."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from cdp.api import pages, problems
from cdp.errors import ProblemError, StoreUnavailable
from cdp.preferences import languages
from cdp.preferences.languages import Language
from cdp.preferences.page import Page, trouble
from cdp.preferences.store import Brand

JSON = "application/json"
_ALWAYS = {
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Vary": "Accept, Accept-Language",
}
# Whoever has the token may ask from any page: it says more than where the page comes from.
_ANY_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After",
}
_PREFLIGHT = _ANY_ORIGIN | {
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, POST",
    "Access-Control-Allow-Headers": "accept, accept-language, content-type",
    "Access-Control-Max-Age": "600",
}


def language_of(request: Request) -> Language:
    """What the address asks for (`?lang=de`), else what the browser prefers."""
    asked = request.query_params.get("lang", "")
    return languages.chosen(asked, request.headers.get("accept-language", ""))


def wants_json(request: Request) -> bool:
    """Whether a program asks: browsers want HTML first."""
    sent = request.headers.get("content-type", "")
    return JSON in request.headers.get("accept", "") or sent.startswith(JSON)


def html(page: Page, language: Language, status: int = 200) -> Response:
    """A page that nobody keeps, finds or frames."""
    headers = _ALWAYS | {
        "Content-Language": language.code,
        "Content-Security-Policy": page.policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return Response(page.html, status, headers, "text/html; charset=utf-8")


def json(content: object, status: int = 200) -> Response:
    """For any page that has the token."""
    answer = pages.json(content, status)
    answer.headers.update(_ALWAYS | _ANY_ORIGIN)
    return answer


def see(language: Language, done: str, reference: str = "") -> Response:
    """To the same address, with a word on what was done: a page that may be loaded again."""
    more = f"&reference={reference}" if reference else ""
    where = {"Location": f"?lang={language.code}&done={done}{more}"}
    return Response(status_code=303, headers=_ALWAYS | where)


async def preflight(request: Request) -> Response:
    """What a browser asks before a page of another origin may send JSON."""
    return Response(status_code=204, headers=_PREFLIGHT)


def refused(
    request: Request, error: ProblemError | StoreUnavailable, route: str, brand: Brand
) -> Response:
    """Errors are pages too."""
    answer = problems.told(request, error, route)
    if wants_json(request):
        answer.headers.update(_ALWAYS | _ANY_ORIGIN)
        return answer
    language = language_of(request)
    shown = html(trouble(answer.status_code, language, brand), language, answer.status_code)
    names = ("retry-after", "ratelimit", "ratelimit-policy")
    shown.headers.update({each: answer.headers[each] for each in names if each in answer.headers})
    return shown
