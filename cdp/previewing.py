"""How many people a definition would have: told from a sample of them, before it is saved.

Ids of profiles are keyed hashes, so the first of them in order are people picked at random, the
same ones each time. Their events are read from the log; nothing is stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import consent.stage as consent_stage
import profiles.store as profile_store
from cdp.db import Connection, named
from cdp.events import Event, Instant, ProfileId, SubjectId
from cdp.log import store as log_store
from cdp.people import People
from consent.model import denied, expired
from consent.standing import granted
from identity import identifiers
from profiles import defining, fragment, segments
from profiles.facts import Sight, Somebody
from profiles.fragment import Counting, Fragment
from profiles.language.conditions import AllOf, Condition, counters, inlined
from profiles.language.evaluating import evaluate
from profiles.language.parsing import parse

MOST = 1000  # people that are looked at
SHOWN = 10  # of those who would be in it
WEEKS = 8  # that growth is told for
WEEK = 7 * 86_400 * 1_000_000  # microseconds

_SAMPLE = named("select id from profiles order by id limit :most")
_COUNT = named("select count(*) from profiles")


class Estimate(NamedTuple):
    """A number of people, and between which it lies with 95 % probability."""

    about: int
    low: int
    high: int


class Preview(NamedTuple):
    """What a definition would do."""

    people: int  # there are
    looked_at: int
    size: Estimate
    shown: list[ProfileId]  # some who would be in it
    overlap: dict[str, tuple[Estimate, float]]  # with segments: how many, which share of this
    growth: list[tuple[Instant, Estimate]]  # at the end of each of the last weeks


def estimate(found: int, looked_at: int, people: int) -> Estimate:
    """Of so many found among those looked at, for all: the interval of Wilson (1927).

    Without an error if everybody was looked at.
    """
    if looked_at >= people or not looked_at:
        return Estimate(found, found, found)
    share, z = found / looked_at, 1.96
    spread = z * math.sqrt(share * (1 - share) / looked_at + z**2 / (4 * looked_at**2))
    middle, whole = share + z**2 / (2 * looked_at), 1 + z**2 / looked_at
    low = max(found, math.floor((middle - spread) / whole * people))
    high = math.ceil((middle + spread) / whole * people)
    return Estimate(round(share * people), low, min(people, high))


class _Asked(NamedTuple):
    """What is to be found out."""

    condition: Condition
    purpose: str
    signals: Mapping[str, frozenset[str]]
    kept: Counting
    numbers: Mapping[str, str]
    instants: Sequence[Instant]  # in order; the last is now


@dataclass(frozen=True, slots=True)
class Previewing:
    """Tries definitions on people."""

    people: People

    async def preview(
        self, connection: Connection, purpose: str, where: Mapping[str, Any], now: Instant
    ) -> Preview:
        """Of a definition that was checked. Consent is as it stands now, also for weeks past."""
        rows = await connection.execute(_SAMPLE, {"most": MOST})
        sample: list[ProfileId] = [row[0] for row in rows]
        everybody = int((await connection.execute(_COUNT)).scalar_one())
        condition = parse(where, await defining.known(connection))
        needed = dict.fromkeys(counters(AllOf(tuple(inlined(condition)))))
        numbers = {counter.key: str(number) for number, counter in enumerate(needed)}
        asked = _Asked(
            condition,
            purpose,
            await consent_stage.signals(connection),
            fragment.counting(enumerate(needed)),
            numbers | await defining.models(connection),
            [now - week * WEEK for week in reversed(range(WEEKS))],
        )
        inside = await self._inside(connection, sample, asked)

        def told(found: int) -> Estimate:
            return estimate(found, len(sample), everybody)

        latest = inside[-1]
        shared = await _shared(connection, latest)
        overlap = {
            key: (told(count), round(count / len(latest), 4)) for key, count in shared.items()
        }
        growth = [(at, told(len(who))) for at, who in zip(asked.instants, inside, strict=True)]
        return Preview(
            everybody, len(sample), told(len(latest)), sorted(latest)[:SHOWN], overlap, growth
        )

    async def _inside(
        self, connection: Connection, sample: Sequence[ProfileId], asked: _Asked
    ) -> list[set[ProfileId]]:
        """Who of them would be in it at each instant."""
        nodes = await self.people.nodes(connection, sample)
        stands = await self.people.stands(connection, nodes, asked.instants[-1])
        did = await self._did(connection, nodes)
        inside: list[set[ProfileId]] = [set() for _ in asked.instants]
        hashed = self.people.keyring.vault.subject
        for profile, subjects in nodes.items():
            allowed, mine = granted(stands[profile]), set(subjects)
            if not allowed.get(asked.purpose, False):
                continue
            somebody = Somebody(allowed, _belongs(hashed, mine))
            for number, holds in enumerate(_over_time(did.get(profile, ()), somebody, asked)):
                if holds:
                    inside[number].add(profile)
        return inside

    async def _did(
        self, connection: Connection, nodes: Mapping[ProfileId, Sequence[SubjectId]]
    ) -> dict[ProfileId, list[Event]]:
        """All that was told of them, in the order in which it happened."""
        owner = {subject: profile for profile, each in nodes.items() for subject in each}
        found: dict[ProfileId, list[Event]] = {}
        wrong = set()  # what was corrected
        async for records in log_store.of_subjects(connection, owner):
            for subject, event in await self.people.keyring.open_events(connection, records):
                wrong.add(event.corrects)
                if event.type not in identifiers.TOLD and not expired(event):
                    found.setdefault(owner[subject], []).append(event)
        return {
            profile: sorted((e for e in events if e.id not in wrong), key=lambda event: event.at)
            for profile, events in found.items()
        }


def _belongs(
    hashed: Callable[[str, str], SubjectId], mine: set[SubjectId]
) -> Callable[[str, str], bool]:
    return lambda namespace, value: hashed(namespace, value) in mine


def _over_time(did: Sequence[Event], somebody: Somebody, asked: _Asked) -> list[bool]:
    folded: Fragment = fragment.empty()
    events, holds = iter([*did, None]), []
    event = next(events)
    for now in asked.instants:
        while event is not None and event.at <= now:
            named = identifiers.read(event).identifiers
            fragment.fold(folded, event, named, asked.kept, denied(event))
            event = next(events)
        facts = Sight([folded], asked.numbers, asked.signals, somebody)(asked.purpose)
        holds.append(evaluate(asked.condition, facts, now).holds if folded.last_seen else False)
    return holds


async def _shared(connection: Connection, who: set[ProfileId]) -> dict[str, int]:
    """How many of them are in each segment, the largest first."""
    keys = await segments.keys(connection)
    counts: dict[str, int] = {}
    for membership in await profile_store.memberships(connection, who):
        key = keys.get(membership.segment)
        if key is not None:
            counts[key] = counts.get(key, 0) + 1
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
