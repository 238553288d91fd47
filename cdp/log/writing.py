"""Writes a group of facts and refusals in one transaction; storing them again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from cdp import metrics
from cdp.db import Database, named
from cdp.errors import KeysDestroyed
from cdp.events import Event, Instant, SubjectId
from cdp.log import erasures, quarantine, store
from cdp.log.codec import plain_event
from cdp.log.keyring import Held, Keyring, Known
from cdp.log.quarantine import Refusal
from cdp.log.store import Sealed
from cdp.log.vault import Seal

_COUNT_UNCOLLECTED = named(
    """
    insert into uncollected (source, day, events)
    select s, current_date, count(*) from unnest(cast(:sources as int[])) s group by s order by s
    on conflict (source, day) do update set events = uncollected.events + excluded.events
    """
)

_NOTHING = Known()


class Gate(Protocol):
    """The collection gate."""

    def by_law(self, event: Event) -> bool:
        """Whether it may be stored if its person has decided nothing."""

    def passed(self, event: Event, decided: bool | None, by_law: bool) -> Event | None:
        """The event, only its consent decisions, or None: then nothing of it is stored."""

    def is_gpc(self, event: Event) -> bool:
        """Whether it puts Global Privacy Control on record."""

    def once(self, event: Event, since: Instant | None) -> Event:
        """The event, only marked if that is on record since before it."""

    def says_consent(self, event: Event) -> bool:
        """Whether it is a fact about consent."""

    def decision(self, event: Event) -> Event:
        """Of an event only what it decides on consent."""


class Suppressions(Protocol):
    """The suppression list as this process knows it, up to its change with `number`."""

    number: int

    def among(self, facts: Sequence[Fact]) -> frozenset[bytes]:
        """The ids of those facts that name somebody suppressed."""

    async def renew(self, database: Database) -> bool:
        """Learn what has changed in the list until now; False if nothing has."""


class Looked(NamedTuple):
    """Up to which change of either list what is stored was looked at."""

    erasures: int
    suppressions: int


class Fact(NamedTuple):
    """An event on its way into the log: encoded at once, while it is warm, to be sealed later."""

    id: bytes
    subject: SubjectId
    source: int
    at: Instant
    received_at: Instant
    plain: bytes
    event: Event | None  # kept where it says something of consent: the gate looks into it
    by_law: bool | None = None  # may it be stored if its subject decided nothing? None: in any case
    listed: int = -1  # as of this change of the suppression list it names nobody suppressed
    name: str = ""  # that it is counted under, where it came from an SDK
    refusal: Refusal | None = None  # it may not be stored: if it may be kept at all, then as this


class Group(NamedTuple):
    """What is written together."""

    facts: Sequence[Fact]
    refusals: Sequence[Refusal] = ()

    @property
    def size(self) -> int:
        """Entries in it."""
        return len(self.facts) + len(self.refusals)


def fact_of(
    event: Event,
    subject: SubjectId,
    *,
    consent: bool,
    by_law: bool | None = None,
    listed: int = -1,
    name: str = "",
) -> Fact:
    """The fact that an event is; `consent` tells whether it says anything of that."""
    plain = plain_event(event)
    kept = event if consent else None
    told = event.id, subject, event.source, event.at, event.received_at, plain
    return Fact(*told, kept, by_law, listed, name)


@dataclass(frozen=True, slots=True)
class Writer:
    """The way into the log. `gate` is the collection gate: what it holds back is only counted.

    So is what names somebody in the suppression list, of which nothing else is kept. `repeated` is
    told of what was stored together, and how much of it the log had before.
    """

    database: Database
    keyring: Keyring
    partitions: int
    gate: Gate
    suppressions: Suppressions
    repeated: Callable[[Sequence[Fact], int], None] = lambda facts, known: None

    async def write(self, group: Group) -> frozenset[bytes]:
        """Durable on return; StoreUnavailable or IntegrityError say that it may be tried again.

        Returns the ids of facts that were not stored because they name somebody suppressed.
        """
        if self.suppressions.among(group.facts):  # it may have been lifted
            await self.suppressions.renew(self.database)
        while True:
            suppressed = self.suppressions.among(group.facts)
            looked_at = Looked(self.keyring.erasures, self.suppressions.number)
            facts = [fact for fact in group.facts if fact.id not in suppressed]
            try:
                if looked_at.erasures != erasures.UNKNOWN:
                    await self._write(facts, group.refusals, looked_at, len(suppressed))
                    return suppressed
            except store.Outdated:
                await self.suppressions.renew(self.database)
                continue
            except KeysDestroyed:
                pass
            async with self.database.transaction() as connection:
                await self.keyring.renew(connection)

    async def _write(
        self,
        facts: Sequence[Fact],
        refusals: Sequence[Refusal],
        looked_at: Looked,
        suppressed: int,
    ) -> None:
        known = await self.keyring.known(self.database, {fact.subject for fact in facts})
        passed = [self._passed(fact, known.get(fact.subject, _NOTHING)) for fact in facts]
        kept = [fact for fact in passed if fact is not None]
        held_back = [fact.refusal for fact in kept if fact.refusal is not None]
        refusals = [*refusals, *held_back]
        stored = list(self._once(fact for each in kept if (fact := self._entering(each))))
        held = await self.keyring.ensure(self.database, {fact.subject for fact in stored})
        ready = all_sealed(stored, held)
        stopped = [f.source for f, p in zip(facts, passed, strict=True) if p is None]
        new = 0
        if not refusals and not stopped:  # as a rule: one call, that commits by itself
            async with self.database.autocommit() as connection:
                new = await store.append(connection, ready, self.partitions, *looked_at)
        else:
            async with self.database.transaction() as connection:
                if refusals:
                    await quarantine.add(connection, self.keyring.vault, refusals)
                if stopped:
                    await connection.execute(_COUNT_UNCOLLECTED, {"sources": stopped})
                new = await store.append(
                    connection, ready, self.partitions, *looked_at, beside=bool(held_back)
                )
        metrics.became(new, len(ready) - new, len(refusals), len(stopped), suppressed)
        self.repeated(stored, len(ready) - new)
        if new == len(ready):  # else what says so may be what was there before
            for fact in stored:
                if fact.event is not None and self.gate.is_gpc(fact.event):
                    self.keyring.note_gpc(fact.subject, fact.at, held[fact.subject].box)

    def _entering(self, fact: Fact) -> Fact | None:
        """A fact as the log has it. A decision does not wait in quarantine, under its own id."""
        if fact.refusal is None:
            return fact
        if fact.event is None:
            return None
        decision = self.gate.decision(fact.event)
        own = self.keyring.vault.digest(b"decision" + fact.id)
        event = msgspec.structs.replace(decision, id=own)
        return fact_of(event, fact.subject, consent=True, by_law=fact.by_law)

    def _once(self, facts: Iterable[Fact]) -> Iterator[Fact]:
        """What one transaction stores puts a subject's Global Privacy Control on record once."""
        since: dict[SubjectId, Instant] = {}
        for fact in facts:
            if fact.event is None or not self.gate.is_gpc(fact.event):
                yield fact
                continue
            event = self.gate.once(fact.event, since.get(fact.subject))
            if event is fact.event:
                since[fact.subject] = fact.at
                yield fact
            else:
                consent = self.gate.says_consent(event)
                yield fact_of(
                    event, fact.subject, consent=consent, by_law=fact.by_law, name=fact.name
                )

    def _passed(self, told: Fact, known: Known) -> Fact | None:
        """The collection gate: without a basis nothing of an event is stored but that it was.

        Nor is anything of somebody who was erased while it was on its way.
        """
        decided = known.collect
        if told.received_at <= known.erased:
            return None
        if told.by_law is None:
            return told
        if told.event is None:
            return told if (told.by_law if decided is None else decided) else None
        event = self.gate.passed(told.event, decided, told.by_law)
        if event is None or event is told.event:
            return told if event else None
        return fact_of(event, told.subject, consent=True, by_law=told.by_law)


def all_sealed(facts: Iterable[Fact], held: Mapping[SubjectId, Held]) -> list[Sealed]:
    """Ready to be stored; Outdated if there is no key for one: it was suppressed a moment ago."""
    try:
        return [sealed(fact, held[fact.subject].box) for fact in facts]
    except KeyError:
        raise store.Outdated from None


def sealed(told: Fact, box: Seal) -> Sealed:
    """Ready to be stored."""
    payload = box.seal(told.plain, told.id)
    return Sealed(*told[:5], told.event is not None, payload)
