"""Pages that ask one thing: whether to unsubscribe, and whether somebody meant to subscribe.

A GET changes nothing, whoever follows the link; what acts is the button, or a mail program's POST.
"""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from cdp.api import answering, posted
from cdp.api import samples_preferences as samples
from cdp.api.door import Door, shown
from cdp.errors import Invalid
from cdp.preferences import choices, model, view
from cdp.preferences.model import Choices
from cdp.preferences.page import page
from cdp.preferences.token import Link

ONE_CLICK = ("List-Unsubscribe", "One-Click")  # what RFC 8058 says is posted
YES = ("confirm", "yes")


class Questions:
    """One-click unsubscribe, and the second half of a double opt-in."""

    def __init__(self, door: Door) -> None:
        self._door, self._deciding = door, door.deciding
        door.add("GET", "/unsubscribe/{token}", self.ask_unsubscribe, samples.ASK)
        # Mailbox providers post for all of their users, and do not come again: no rate stops a no.
        act = self.unsubscribe
        door.add("POST", "/unsubscribe/{token}", act, samples.UNSUBSCRIBE, limited=False)
        door.add("GET", "/confirm/{token}", self.ask_confirm, samples.ASK)
        door.add("POST", "/confirm/{token}", self.confirm, samples.CONFIRM)

    async def ask_unsubscribe(self, request: Request) -> Response:
        """A page with a button: whatever follows links changes nothing."""
        link = await self._door.opened(request, "unsubscribe")
        return await self._question(request, link, "unsubscribe", ONE_CLICK)

    async def unsubscribe(self, request: Request) -> Response:
        """One click, by a mail program (RFC 8058) or on the page: no cookie, no redirect."""
        link = await self._door.opened(request, "unsubscribe")
        await _must_say(request, ONE_CLICK)
        person = await self._deciding.person(link.who)
        seen = shown(answering.language_of(request))._replace(how=_one_click(link))
        await self._deciding.record(
            link, person, Choices({choices.about(link, person): "denied"}), seen
        )
        return await self._question(request, link, "unsubscribe", ONE_CLICK, outcome="done")

    async def ask_confirm(self, request: Request) -> Response:
        """A page with a button, or what became of it."""
        link = await self._door.opened(request, "confirm")
        outcome = ""
        if await self._deciding.confirmed(link):
            person = await self._deciding.person(link.who)
            outcome = (
                "done" if person.stands[choices.about(link, person)].state == "granted" else "used"
            )
        return await self._question(request, link, "confirm", YES, outcome=outcome)

    async def confirm(self, request: Request) -> Response:
        """The second yes. Posting it again changes nothing."""
        link = await self._door.opened(request, "confirm")
        await _must_say(request, YES)
        language = answering.language_of(request)
        asked = await self._deciding.asked(link)
        await self._deciding.confirm(link, asked, shown(language))
        return answering.see(language, "confirmed")

    async def _question(
        self,
        request: Request,
        link: Link,
        kind: str,
        field: tuple[str, str],
        *,
        outcome: str = "",
    ) -> Response:
        language = answering.language_of(request)
        texts = language.texts[kind]
        person = await self._deciding.person(link.who)
        written = page(
            "question",
            language,
            self._door.brand,
            title=texts[f"{outcome}_title" if outcome else "title"],
            what=view.name(choices.about(link, person), person.purposes, language),
            who=model.masked(link.who),
            text=texts[outcome or "ask"],
            button="" if outcome else texts["button"],
            field=field,
        )
        return answering.html(written, language)


def _one_click(link: Link) -> str:
    return f"one click (RFC 8058){f' in delivery {link.about}' if link.about else ''}"


async def _must_say(request: Request, field: tuple[str, str]) -> None:
    name, value = field
    if (await posted.fields(request)).get(name) != [value]:
        raise Invalid(f"the body must be {name}={value}", field=name)
