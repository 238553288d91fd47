"""A yes that has ended by itself is told as a fact, once: whoever wants to can ask again.

How people stand follows from their decisions and the clock, so the fact changes nothing of that; a
replay finds it in the log and tells nothing anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import consent.store as consent_store
from cdp import facts, times
from cdp.db import Connection
from cdp.events import Event, Instant, ProfileId, SubjectId
from cdp.log import store as log_store
from cdp.log.keyring import Keyring, Opened
from cdp.log.writing import fact_of, sealed
from cdp.suppression import store as suppression_store
from consent.model import Decision
from consent.purposes import Purpose, whole
from consent.standing import Standing
from identity import identifiers


class Lapse(NamedTuple):
    """Whose yes has ended, to what and when; `fact` says so in the log."""

    fact: bytes
    profile: ProfileId
    purpose: str
    decision: Decision
    at: Instant


async def tell(
    connection: Connection,
    keyring: Keyring,
    partitions: int,
    people: Mapping[ProfileId, Collection[SubjectId]],
    stands: Mapping[ProfileId, Mapping[str, Standing]],
) -> list[Lapse]:
    """Append what is new of this to the log; others wait for that until the transaction ends.

    Of people whose decision cannot be read any more, or who are suppressed, nothing is told.
    """
    if not any(stand.expired for each in stands.values() for stand in each.values()):
        return []
    purposes = {each.key: each for each in await consent_store.purposes(connection)}
    found = list(_lapses(keyring, purposes, stands))
    known = {each.id for each in await log_store.by_id(connection, [each.fact for each in found])}
    found = [each for each in found if each.fact not in known]
    nodes = {node for each in found for node in people[each.profile]}
    suppressed = await suppression_store.among(connection, nodes)
    found = [each for each in found if suppressed.isdisjoint(people[each.profile])]
    return await _append(connection, keyring, partitions, found)


def _lapses(
    keyring: Keyring,
    purposes: Mapping[str, Purpose],
    stands: Mapping[ProfileId, Mapping[str, Standing]],
) -> Iterator[Lapse]:
    for profile, each in stands.items():
        for key, stand in each.items():
            if not stand.expired or stand.decision is None:
                continue
            if key != whole(key) and each[whole(key)].decision == stand.decision:
                continue  # it was about all channels, and is told of them as one
            at = purposes[key].expires(stand.decision.at)
            assert at is not None
            name = _message_id(key, stand.decision, at)
            yield Lapse(facts.id_of(keyring.vault, name), profile, key, stand.decision, at)


def _message_id(purpose: str, decision: Decision, at: Instant) -> str:
    """If the purpose's validity changes, the same yes may end once more, at another time."""
    return f"expired {purpose} {decision.event.hex()} {at}"


async def _append(
    connection: Connection, keyring: Keyring, partitions: int, found: Sequence[Lapse]
) -> list[Lapse]:
    known = keyring.erasures
    records = await log_store.by_id(connection, [each.decision.event for each in found])
    opened = {each.event.id: each for each in await keyring.open_events(connection, records)}
    told = [each for each in found if each.decision.event in opened]
    boxes = await keyring.load(connection, {each.subject for each in opened.values()})
    ready = []
    for lapse in told:
        said = opened[lapse.decision.event]
        fact = fact_of(_fact(keyring, lapse, said), said.subject, consent=True)
        ready.append(sealed(fact, boxes[said.subject]))
    await log_store.append(connection, ready, partitions, known)
    return told


def _fact(keyring: Keyring, lapse: Lapse, said: Opened) -> Event:
    who = identifiers.read(said.event).subject
    assert who is not None  # a decision is kept of somebody
    about = {
        "expired": lapse.purpose,
        "granted": lapse.decision.event.hex(),
        "granted_at": times.iso(lapse.decision.at),
    }
    name = _message_id(lapse.purpose, lapse.decision, lapse.at)
    return facts.fact(
        keyring.vault, "consent", about, at=lapse.at, message_id=name, **facts.about(who)
    )
