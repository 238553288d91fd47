"""Who could be contacted for a purpose at a time: everybody, page by page, from the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from cdp.db import Connection, Database
from cdp.events import Identifier, ProfileId, SubjectId
from cdp.evidence import store
from cdp.evidence.asof import AsOf
from consent.standing import Standing

BATCH = 200  # profiles of today looked at together
_MOST = 10_000  # profiles looked at for one page


class Contact(NamedTuple):
    """Somebody who could be contacted, as they were then; `home` is their profile of today."""

    home: ProfileId
    profile: ProfileId
    nodes: list[SubjectId]
    stand: Standing


class Page(NamedTuple):
    """Some of them; the next page is after `next`, or there is none."""

    contacts: list[Contact]
    next: ProfileId | None


T = TypeVar("T")
Tell: TypeAlias = Callable[[Connection, Sequence[Contact]], Awaitable[T]]


async def page(
    connection: Connection, as_of: AsOf, purpose: str, after: ProfileId, limit: int
) -> Page:
    """The next ones, in the order of their profiles of today. There may be none on a page."""
    found: list[Contact] = []
    looked = 0
    while True:
        profiles = await store.profiles(connection, after, BATCH)
        for each in await _among(connection, as_of, purpose, profiles):
            if len(found) >= limit and each.home != found[-1].home:
                return Page(found, found[-1].home)
            found.append(each)
        if len(profiles) < BATCH:
            return Page(found, None)
        after, looked = profiles[-1], looked + BATCH
        if len(found) >= limit or looked >= _MOST:
            return Page(found, after)


async def _among(
    connection: Connection, as_of: AsOf, purpose: str, profiles: Sequence[ProfileId]
) -> list[Contact]:
    were = await as_of.persons(connection, profiles)
    nodes = {node for _, who in were.values() for node in who.nodes}
    present = await store.present(connection, nodes)
    people = {p: who for p, (_, who) in were.items() if not present.isdisjoint(who.nodes)}
    stands = await as_of.stands(connection, people)
    contacts = [
        Contact(were[person][0], person, who.nodes, stands[person][purpose])
        for person, who in people.items()
        if stands[person][purpose].state == "granted"
    ]
    return sorted(contacts, key=lambda each: (each.home, each.profile))


async def names(
    connection: Connection, as_of: AsOf, contacts: Collection[Contact]
) -> dict[SubjectId, Identifier]:
    """The originals of their identifiers."""
    return await as_of.people.names(connection, {n for each in contacts for n in each.nodes})


async def everybody(
    database: Database, as_of: AsOf, purpose: str, tell: Tell[T]
) -> AsyncIterator[T]:
    """Page after page as `tell` has them: memory stays flat, and no transaction is held open."""
    after: ProfileId | None = b""
    while after is not None:
        async with database.transaction() as connection:
            found = await page(connection, as_of, purpose, after, BATCH)
            told = await tell(connection, found.contacts)
        yield told
        after = found.next
