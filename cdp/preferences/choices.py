"""How somebody stands who opened a link, and what they decide there, as consent facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import consent.store as consent_store
import identity.store as identity_store
from cdp import facts, times
from cdp.db import Connection, Database
from cdp.errors import Gone, Invalid
from cdp.events import Event, Identifier, SubjectId
from cdp.log import store as log_store
from cdp.log.appender import Appender
from cdp.log.vault import Vault
from cdp.log.writing import fact_of
from cdp.people import People, unfolded_decisions
from cdp.preferences import model, store, token
from cdp.preferences.model import Choices, Frequency
from cdp.preferences.store import Brand
from cdp.preferences.token import Link, Scope
from consent.jurisdictions import State
from consent.purposes import Purpose, whole
from consent.standing import Standing

SOURCE = "preferences"  # where somebody said it: of every fact that comes from these pages


class Person(NamedTuple):
    """Somebody as a page shows them; decisions count from when they are acknowledged."""

    purposes: Sequence[Purpose]
    stands: Mapping[str, Standing]
    frequency: Frequency


class Shown(NamedTuple):
    """What was on the page that somebody decided on: its language, and its version if we know."""

    language: str
    page: str
    how: str = ""  # what else there is to prove


class Requesting(Protocol):
    """Asks for somebody's data to be exported or erased."""

    async def __call__(self, kind: str, who: Identifier, /) -> str:
        """`export` or `erase`; the request's id."""


@dataclass(frozen=True, slots=True)
class Deciding:
    """Reads and records, for one identifier."""

    database: Database
    vault: Vault
    people: People
    appender: Appender

    async def opened(self, text: str, scope: Scope) -> tuple[Link, Brand]:
        """The link that a token stands for, and whose page it leads to; Gone if it was revoked."""
        link = token.opened(text, scope, self.vault.links, times.now())
        async with self.database.transaction() as connection:
            before = await store.revoked(connection, self.vault.subject(*link.who), scope)
            brand = await store.brand(connection)
        if link.issued_at <= before:
            raise Gone("this link was taken back: take the one from a newer message")
        return link, brand

    async def person(self, who: Identifier) -> Person:
        """How somebody stands now, whether they were ever seen or not."""
        subject = self.vault.subject(*who)
        async with self.database.transaction() as connection:
            nodes = await self._nodes(connection, subject)
            tail = await unfolded_decisions(connection, self.people.keyring, nodes)
            stands = await self.people.stands(connection, {subject: nodes}, times.now(), tail)
            purposes = await consent_store.purposes(connection)
            records = await store.told(connection, nodes)
            told = await self.people.keyring.open_events(connection, records)
        often = model.frequency(each.event for each in told)
        return Person(purposes, stands[subject], often)

    async def record(
        self, link: Link, person: Person, wanted: Choices, shown: Shown
    ) -> list[Event]:
        """What of this is new, durable on return."""
        said: list[dict[str, Any]] = [
            {"purpose": purpose, "state": state}
            for purpose, state in model.changed(wanted.states, person.stands).items()
        ]
        if wanted.frequency not in {None, person.frequency}:
            said.append({"frequency": wanted.frequency, "channel": "email"})
        proof = _proof(link, shown)
        return await self._keep(link.who, [each | proof for each in said])

    async def ask(self, who: Identifier, said: dict[str, Any]) -> Event:
        """Note that somebody, or someone for them, asked for a purpose: this is no consent yet."""
        (asked,) = await self._keep(who, [said])
        return asked

    async def asked(self, link: Link) -> Event:
        """What was asked for; Gone if it cannot be read any more: then the person was erased."""
        async with self.database.transaction() as connection:
            found = await log_store.by_id(connection, [bytes.fromhex(link.about)])
            told = await self.people.keyring.open_events(connection, found)
        if not told:
            raise Gone("this was asked for too long ago: ask again")
        return told[0].event

    async def confirmed(self, link: Link) -> bool:
        """Whether this link was used to say yes."""
        async with self.database.transaction() as connection:
            return bool(await log_store.by_id(connection, [self._confirmation(link)]))

    async def confirm(self, link: Link, asked: Event, shown: Shown) -> None:
        """Grant what was asked for. A link does so once: the log keeps the first of its facts."""
        origin = asked.properties.get("source", "")
        how = f"double opt-in: asked at {times.iso(asked.at)} from {origin} (fact {link.about})"
        particulars = {
            name: asked.properties[name]
            for name in ("notice", "jurisdiction")
            if name in asked.properties
        }
        said = {"purpose": link.purpose, "state": "granted"}
        said |= _proof(link, shown._replace(how=how)) | particulars
        await self._keep(link.who, [said], message_id=_message_id(link))

    async def _keep(
        self, who: Identifier, said: Sequence[dict[str, Any]], *, message_id: str = ""
    ) -> list[Event]:
        told = [
            facts.fact(self.vault, "consent", each, message_id=message_id, **facts.about(who))
            for each in said
        ]
        subject = self.vault.subject(*who)
        # Of a no it returns once nothing that was allowed before is sent any more: `withdrawing`.
        await self.appender.tell([fact_of(each, subject, consent=True) for each in told])
        return told

    async def _nodes(self, connection: Connection, subject: SubjectId) -> list[SubjectId]:
        profile = await identity_store.profile_of(connection, subject)
        if profile is None:  # nobody that an agent has seen yet
            return [subject]
        return (await self.people.nodes(connection, [profile])).get(profile, [subject])

    def _confirmation(self, link: Link) -> bytes:
        return facts.id_of(self.vault, _message_id(link))


def about(link: Link, person: Person) -> str:
    """The purpose that a link is about: all of it, where its channels are no longer told apart."""
    return link.purpose if link.purpose in person.stands else whole(link.purpose)


def everything(person: Person) -> Choices:
    """No to all that somebody may say no to."""
    return Choices({each.key: "denied" for each in model.refusable(person.purposes)})


def known(wanted: Mapping[str, State], person: Person) -> dict[str, State]:
    """These states, if there are such purposes; Invalid, naming those there are, if not."""
    there = [each.key for each in model.refusable(person.purposes)]
    for purpose in wanted:
        if purpose not in there:
            raise Invalid(
                f"purposes.{purpose}: unknown; known are {', '.join(there)}",
                field=f"purposes.{purpose}",
            )
    return dict(wanted)


def _message_id(link: Link) -> str:
    return f"confirm {link.id.hex()}"


def _proof(link: Link, shown: Shown) -> dict[str, str]:
    """With every fact: where it was said, what was shown, and which link says whose word it is."""
    parts = [shown.how, f"link {link.id.hex()} of {times.iso(link.issued_at)}"]
    if link.about and not shown.how:
        parts.append(f"delivery {link.about}")
    parts.append(f"page {shown.page}" if shown.page else "a page of the operator's own")
    said = {"source": SOURCE, "language": shown.language, "proof": ", ".join(filter(None, parts))}
    return said | ({"notice": shown.page} if shown.page else {})
