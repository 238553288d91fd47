"""Matching, piece by piece beside the live agents: who is probably one person, told as facts.

filling    Every profile is looked at: it gets its blocking keys and, once there are weights, is
           compared with those it shares one with.
learning   The weights are learned; then everybody is looked at by them.
watching   Profiles that change are looked at again. They are in the other states too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import structlog

import identity.store as identity_store
from cdp.comparing import Comparing, Told
from cdp.db import Connection, Database
from cdp.facts import fact
from cdp.log import store as log_store
from cdp.log.writing import fact_of, sealed
from cdp.people import People
from identity.identifiers import INFER
from identity.matching import store
from identity.matching.facts import properties
from identity.matching.fields import Matching
from identity.matching.learning import Sample, learn
from identity.matching.model import Model, decode, encode
from identity.matching.schema import Spec, read
from identity.matching.store import PartId, Version
from identity.rulebook import RuleBook
from identity.rules import Rules

SLICE = 500  # profiles in one transaction
ENOUGH = 100  # people without whom nothing can be learned
DRAWN = 20_000  # people to learn from, beside those they share a key with

# Switched off nobody is compared, but whoever withdraws is still parted.
OFF = Spec(Matching((), ()), 1.0)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class MatchWork:
    """One bounded piece after the other."""

    database: Database
    partitions: int
    people: People
    book: RuleBook = field(default_factory=RuleBook)
    _kept: tuple[tuple[int, bytes | None], Comparing] | None = None

    async def step(self) -> bool:
        """Do a piece of work; False when there is none."""
        async with self.database.transaction() as connection:
            version = await store.current(connection)
            if version is None:
                return False
            await self.people.keyring.renew(connection)
            spec = OFF if version.spec is None else read(version.spec)
            taken = await store.take(connection, SLICE)
            if taken:
                comparing = await self._comparing(connection, version, spec)
                told = await comparing.look(connection, taken)
                await self._tell(connection, version, told)
                return True
            if version.state == "filling":
                await self._fill(connection, version)
                return True
        return version.state == "learning" and await self._learn(version, spec)

    async def _comparing(self, connection: Connection, version: Version, spec: Spec) -> Comparing:
        name = version.version, version.model
        if self._kept is None or self._kept[0] != name:
            model = unseal(self.people, version, spec) if version.model else None
            kept = Comparing(self.people, Rules(), spec.matching, model, spec.suggest)
            self._kept = name, kept
        return replace(self._kept[1], rules=await self.book.refresh(connection))

    async def _fill(self, connection: Connection, version: Version) -> None:
        profiles = await store.fill(connection, version.position, SLICE)
        await store.queue(connection, profiles)
        state = "filling" if profiles else "watching" if version.model else "learning"
        position = profiles[-1] if profiles else b""
        await store.advance(connection, version._replace(state=state, position=position))

    async def _tell(self, connection: Connection, version: Version, told: Sequence[Told]) -> None:
        """Append what is said to the log, at the end of the transaction: others wait for that."""
        keyring = self.people.keyring
        known = keyring.erasures
        boxes = await keyring.load(connection, {each.subject for each in told})
        facts = []
        for each in told:
            said = properties(each.pair, each.probability, each.evidence, version.version)
            event = fact(keyring.vault, INFER, said)
            if each.subject in boxes:
                new = fact_of(event, each.subject, consent=False)
                facts.append(sealed(new, boxes[each.subject]))
        if facts:
            await log_store.append(connection, facts, self.partitions, known)
            log.info("matched", pairs=len(facts))

    async def _learn(self, version: Version, spec: Spec) -> bool:
        """Learn from a sample, without keeping anybody waiting; False if there are too few."""
        async with self.database.transaction() as connection:
            drawn = await store.draw(connection, DRAWN)
            if len(drawn) < ENOUGH:
                return False
            sample = await self._sample(connection, version, spec, drawn)
        log.info("learning", records=len(sample.records))
        model = await asyncio.to_thread(learn, spec.matching, sample)
        async with self.database.transaction() as connection:
            await store.learned(connection, version.version, seal(self.people, version, model))
        log.info("learned", records=model.records, same=model.prior.same)
        return True

    async def _sample(
        self, connection: Connection, version: Version, spec: Spec, drawn: Sequence[PartId]
    ) -> Sample:
        rules = await self.book.refresh(connection)
        comparing = Comparing(self.people, rules, spec.matching, None, spec.suggest)
        total = (await store.counts(connection)).compared
        seeds, others = set(drawn), set[PartId]()
        for at in range(0, len(drawn), SLICE):
            pairs = await store.sharing(connection, drawn[at : at + SLICE])
            others.update(end for pair in pairs for end in pair if end not in seeds)
        records = []
        for ids in (drawn, sorted(others)):
            for at in range(0, len(ids), SLICE):
                records += await _records(connection, comparing, ids[at : at + SLICE])
            if ids is drawn:
                count = len(records)
        return Sample(records, count, total)


async def _records(
    connection: Connection, comparing: Comparing, ids: Collection[PartId]
) -> list[tuple[tuple[str, ...], ...]]:
    profiles = await identity_store.profiles(connection, ids)
    parts = await comparing.parts(connection, set(profiles.values()))
    found = (parts[each].record for each in ids if each in parts)
    return [each for each in found if each is not None]


def seal(people: People, version: Version, model: Model) -> bytes:
    """Weights as they are stored: they tell how people are called."""
    return people.keyring.vault.system.pack(encode(model), b"matching %d" % version.version)


def unseal(people: People, version: Version, spec: Spec) -> Model:
    """Stored weights."""
    assert version.model is not None
    box = people.keyring.vault.system
    plain = box.unpack(version.model, b"matching %d" % version.version)
    return decode(plain, spec.matching.fields)
