"""Keeps the decision that counts per subject, and answers how people stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cdp.db import Connection
from cdp.events import Event, ProfileId, SubjectId
from consent import store
from consent.model import COLLECTION, Decision, Standing, decisions, granted, latest, standing


async def apply(connection: Connection, facts: Iterable[tuple[SubjectId, Event]]) -> None:
    """Fold the decisions that these events carry, in the caller's transaction."""
    taken: dict[SubjectId, list[Decision]] = {}
    for subject, event in facts:
        found = decisions(event)
        if found:
            taken.setdefault(subject, []).extend(found)
    if taken:
        rows = [(subject, d) for subject, all_ in taken.items() for d in latest(all_).values()]
        await store.put(connection, rows)


async def standings(
    connection: Connection,
    people: Mapping[ProfileId, Sequence[SubjectId]],
    tail: Mapping[SubjectId, Sequence[Decision]] | None = None,
) -> dict[ProfileId, Mapping[str, Standing]]:
    """How each person stands on every purpose; `tail` adds decisions not folded yet.

    Those who never decided anything share one and the same answer.
    """
    purposes = await store.purposes(connection)
    known = await store.of(connection, {node for nodes in people.values() for node in nodes})
    undecided = standing(purposes, [])
    stands: dict[ProfileId, Mapping[str, Standing]] = {}
    for person, nodes in people.items():
        taken = [d for told in (known, tail) if told for node in nodes for d in told.get(node, ())]
        stands[person] = standing(purposes, taken) if taken else undecided
    return stands


async def allowing(
    connection: Connection, people: Mapping[ProfileId, Sequence[SubjectId]], purpose: str
) -> set[ProfileId]:
    """Those of these people who allow one purpose; nobody if there is no such purpose."""
    known = [each for each in await store.purposes(connection) if each.key == purpose]
    taken = await store.of(connection, {node for nodes in people.values() for node in nodes})
    undecided = all(each.by_default == "granted" for each in known)
    found = set()
    for person, nodes in people.items():
        own = [decision for node in nodes for decision in taken.get(node, ())]
        allows = granted(standing(known, own)).get(purpose) if own else undecided
        if known and allows:
            found.add(person)
    return found


async def open_collection(
    connection: Connection,
    people: Mapping[ProfileId, Sequence[SubjectId]],
    stands: Mapping[ProfileId, Mapping[str, Standing]],
) -> None:
    """Tell the collectors whose events may be stored.

    Where nobody decided, a former decision may have been somebody else's: of whom they were one.
    """
    decided: dict[bool, list[SubjectId]] = {True: [], False: []}
    for person, nodes in people.items():
        stand = stands[person].get(COLLECTION)
        if stand is not None and (stand.decision is not None or stand.state == "granted"):
            decided[stand.state == "granted"] += nodes
    for collect, subjects in decided.items():
        if subjects:
            await store.set_collection(connection, subjects, collect=collect)
