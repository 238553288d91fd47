"""The preference centre: a page that works without script, and the same as JSON."""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request
from starlette.responses import Response

from cdp.api import answering, pages, posted
from cdp.api import samples_preferences as samples
from cdp.api.door import Door, shown
from cdp.errors import Invalid
from cdp.forms import load
from cdp.preferences import choices, model, view
from cdp.preferences.choices import Requesting, Shown
from cdp.preferences.languages import Language
from cdp.preferences.model import FREQUENCIES, Choices
from cdp.preferences.page import page
from cdp.preferences.schema import ChoicesSchema, PrivacySchema
from cdp.preferences.token import Link

_PATH = "/{token}"
_REFERENCE = re.compile(r"[A-Za-z0-9-]{1,64}")


class Centre:
    """All preferences at once. `requesting` asks for exports and erasures."""

    def __init__(self, door: Door, requesting: Requesting) -> None:
        self._door, self._deciding = door, door.deciding
        self._requesting = requesting
        door.add("GET", _PATH, self.show, samples.SHOW)
        door.add("PUT", _PATH, self.choose, samples.CHOOSE)
        door.add("POST", _PATH, self.post, samples.POST)
        door.hide("OPTIONS", _PATH, answering.preflight)

    async def show(self, request: Request) -> Response:
        """How somebody stands."""
        link = await self._door.opened(request, "preferences")
        if answering.wants_json(request):
            return await self._told(request, link)
        language = answering.language_of(request)
        values = view.preferences(await self._deciding.person(link.who), language)
        done, reference = (request.query_params.get(each, "") for each in ("done", "reference"))
        written = page(
            "preferences",
            language,
            self._door.brand,
            title=language.texts["title"],
            who=model.masked(link.who),
            expires_at=link.expires_at,
            done=language.texts["done"].get(done) if done != "reference" else None,
            reference=reference if _REFERENCE.fullmatch(reference) else "",
            **values,
        )
        return answering.html(written, language)

    async def choose(self, request: Request) -> Response:
        """Decide, as JSON."""
        link = await self._door.opened(request, "preferences")
        loaded, _ = load(ChoicesSchema(), await pages.read_body(request))
        person = await self._deciding.person(link.who)
        states = choices.known(loaded["purposes"], person)
        if loaded["unsubscribe_all"]:
            states = dict(choices.everything(person).states)
        code = loaded.get("language", answering.language_of(request).code)
        seen = Shown(code, loaded.get("notice", ""))
        wanted = Choices(states, loaded.get("frequency"))
        await self._deciding.record(link, person, wanted, seen)
        return await self._told(request, link)

    async def post(self, request: Request) -> Response:
        """What the page's buttons do; or, as JSON, a request for somebody's own data."""
        link = await self._door.opened(request, "preferences")
        if answering.wants_json(request):
            loaded, _ = load(PrivacySchema(), await pages.read_body(request))
            return answering.json({"request": await self._requesting(loaded["do"], link.who)})
        language, form = answering.language_of(request), await posted.fields(request)
        match form.get("do"):
            case ["save"]:
                return await self._save(link, form, language)
            case ["none"]:
                person = await self._deciding.person(link.who)
                everything = choices.everything(person)
                await self._deciding.record(link, person, everything, shown(language))
                return answering.see(language, "none")
            case ["export"]:
                reference = await self._requesting("export", link.who)
                return answering.see(language, "export", reference)
            case ["erase"]:
                return self._farewell(language, link, await self._requesting("erase", link.who))
        raise Invalid("do must be save, none, export or erase", field="do")

    async def _save(self, link: Link, form: dict[str, list[str]], language: Language) -> Response:
        person = await self._deciding.person(link.who)
        wanted = _wanted(form)
        wanted = wanted._replace(states=choices.known(wanted.states, person))
        told = await self._deciding.record(link, person, wanted, shown(language))
        return answering.see(language, "saved" if told else "same")

    def _farewell(self, language: Language, link: Link, reference: str) -> Response:
        """Said at once: in a moment the link opens nothing any more."""
        written = page(
            "question",
            language,
            self._door.brand,
            title=language.texts["erase"],
            what=language.texts["done"]["erase"],
            who=model.masked(link.who),
            text=language.texts["done"]["reference"].format(id=reference),
            button="",
        )
        return answering.html(written, language)

    async def _told(self, request: Request, link: Link) -> Response:
        language = answering.language_of(request)
        person = await self._deciding.person(link.who)
        return answering.json(view.told(link, person, language))


def _wanted(form: dict[str, list[str]]) -> Choices:
    """What was changed on the page: what it showed came back with it, so nothing else is taken."""
    granted = set(form.get("granted", ()))
    states: dict[str, Any] = {}
    for each in form.get("shown", ()):
        purpose, _, before = each.partition("=")
        state = "granted" if purpose in granted else "denied"
        if state != before:
            states[purpose] = state
    wished, shown = form.get("frequency", [])[-1:], form.get("often")
    often = next((each for each in FREQUENCIES if [each] == wished != shown), None)
    return Choices(states, often)
