"""Keeps the decision that counts per subject, and answers how people stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cdp.db import Connection
from cdp.events import Event, Instant, ProfileId, SubjectId
from consent import jurisdictions, store
from consent.model import COLLECTION, Decision, decisions, is_about_consent, latest
from consent.standing import Ground, Standing, Told, granted, standing


class Heard:
    """What a chunk's events say of consent: decisions, and the jurisdictions they were in."""

    def __init__(self) -> None:
        self.decisions: dict[SubjectId, list[Decision]] = {}
        self.seen_in: set[tuple[SubjectId, str]] = set()

    def hear(self, subject: SubjectId, event: Event) -> None:
        """Take up one event."""
        where = jurisdictions.told(event)
        if where:
            self.seen_in.add((subject, where))
        if is_about_consent(event):
            self.decisions.setdefault(subject, []).extend(decisions(event))


async def apply(connection: Connection, heard: Heard) -> None:
    """Fold what was heard, in the caller's transaction."""
    if heard.seen_in:
        await store.put_seen(connection, heard.seen_in)
    rows = [(each, d) for each, all_ in heard.decisions.items() for d in latest(all_).values()]
    if rows:
        await store.put(connection, rows)


async def standings(
    connection: Connection,
    people: Mapping[ProfileId, Sequence[Sequence[SubjectId]]],
    home: str,
    now: Instant,
    tail: Mapping[SubjectId, Sequence[Decision]] | None = None,
) -> dict[ProfileId, Mapping[str, Standing]]:
    """How each person stands on every purpose; `tail` adds decisions not folded yet.

    A person comes as the subjects of each side (see `standing`); of whom nobody knows where they
    are, they are taken to be at `home`. Those who decided nothing share one and the same answer.
    """
    ground = Ground(await store.purposes(connection), home, now)
    every = {node for sides in people.values() for nodes in sides for node in nodes}
    known = await store.of(connection, every)
    seen = await store.seen(connection, every)
    later = tail or {}
    told = {
        node: Told((*known.get(node, ()), *later.get(node, ())), seen.get(node, ()))
        for node in known.keys() | later.keys() | seen.keys()
    }
    return {
        person: standing(
            ground, [[told[node] for node in nodes if node in told] for nodes in sides]
        )
        for person, sides in people.items()
    }


async def signals(connection: Connection) -> dict[str, frozenset[str]]:
    """What means each purpose in a consent stamp."""
    known = await store.purposes(connection)
    return {each.key: each.meant_by for each in known}


async def allowing(
    connection: Connection,
    people: Mapping[ProfileId, Sequence[SubjectId]],
    purpose: str,
    home: str,
    now: Instant,
) -> set[ProfileId]:
    """Those of these people who allow one purpose; nobody if there is no such purpose."""
    sides = {person: [nodes] for person, nodes in people.items()}
    stands = await standings(connection, sides, home, now)
    return {person for person, stand in stands.items() if granted(stand).get(purpose)}


async def open_collection(
    connection: Connection,
    people: Mapping[ProfileId, Sequence[SubjectId]],
    stands: Mapping[ProfileId, Mapping[str, Standing]],
) -> None:
    """Tell the collectors what was decided on storing these people's events; None: nothing was.

    Where nobody decided, a former decision may have been somebody else's: of whom they were one.
    """
    decided: dict[bool | None, list[SubjectId]] = {True: [], False: [], None: []}
    for person, nodes in people.items():
        stand = stands[person].get(COLLECTION)
        said = stand is not None and stand.decision is not None and not stand.expired
        decided[stand.state == "granted" if said and stand else None] += nodes
    for collect, subjects in decided.items():
        if subjects:
            await store.set_collection(connection, subjects, collect=collect)
