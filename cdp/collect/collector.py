"""Takes messages in: finds their source, normalises them, quarantines what breaks the contract."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from cdp import times
from cdp.collect.keys import hashed
from cdp.collect.normalise import Arrival, Refused, normalise
from cdp.collect.planned import planned
from cdp.collect.sources import Source, Sources
from cdp.collect.visits import Kept, Known, Visit, arrival, derived, refusal
from cdp.collect.wire import Body, Envelope, Wire, parse
from cdp.errors import Forbidden, Invalid, Unauthorized
from cdp.events import Event, SubjectId
from cdp.limits import Rates
from cdp.log.appender import Appender
from cdp.log.quarantine import Refusal
from cdp.log.writing import Fact, fact_of
from cdp.plans.held import Plans
from cdp.quality.sights import Sights, counted_as
from cdp.quality.tally import Tally


class Result(NamedTuple):
    """What became of one message."""

    message_id: str
    problem: str


class Sorted(NamedTuple):
    """A request's messages: the good, the others with their reasons, and a result for each."""

    facts: list[Fact]
    refusals: list[Refusal]
    results: list[Result]
    sights: Sights


@dataclass(frozen=True, slots=True)
class Collector:
    """Everything between a parsed body and the log. The domains' rules come in as functions."""

    appender: Appender
    sources: Sources
    digest: Callable[[bytes], bytes]
    subject_of: Callable[[Event], SubjectId]
    says_consent: Callable[[Event], bool]
    by_law: Callable[[Event], bool]  # whether it may be stored if its person has decided nothing
    listed: Callable[[Event, SubjectId], int]  # as of which it names nobody suppressed
    # What of its consent cannot be read: the field, and what is wrong with it.
    illegible: Callable[[Event], tuple[str, str] | None]
    once: Callable[[Event, SubjectId], Event]  # without what is on record of its subject already
    rates: Rates
    plans: Plans
    tally: Tally
    strict_keys: bool = False

    async def sort(self, body: Body, visit: Visit) -> Sorted:
        """Tell the messages that may be kept from those that may not."""
        key_hashes, source = await self.source(visit)
        if self.rates.key and source:
            await self.rates.limits.take(self.rates.key, f"source {source.id}", body.size)
        known = self._known(visit, source, key_hashes)
        found = self._sort(body, known)
        # A strict caller hears of every refusal itself; keeping it too would double it later.
        return found._replace(refusals=[]) if visit.strict else found

    async def keep(self, found: Sorted) -> None:
        """Returns when every message is durable, in the log or in quarantine."""
        await self.appender.append(found.facts, found.refusals)
        self.tally.take(found.sights)

    async def again(self, refused: Refusal) -> str:
        """Take a quarantined message by today's rules; returns the problem that is left, if any.

        What was refused in one piece and can be taken apart now is: each of its messages then goes
        its own way, into the log or into quarantine.
        """
        kept = msgspec.msgpack.decode(refused.body, type=Kept)
        try:
            body = parse(kept.raw, batch=False)
        except Invalid as invalid:
            return invalid.detail
        own = {name: value for name, value in body.envelope.fields.items() if value is not None}
        body = body._replace(envelope=Envelope(kept.envelope | own))
        visit = Visit(
            refused.route,
            kept.kind,
            (),
            anonymous_id=kept.anonymous_id,
            ip=kept.ip,
            gpc=kept.gpc,
            ip_policy=kept.ip_policy,
        )
        source = await self._first(kept.key_hashes)
        known = self._known(visit, source, kept.key_hashes)
        known = known._replace(received_at=refused.received_at, cause=refused.ref)
        found = self._sort(body, known)  # it was counted when it came
        if len(found.results) == 1 and found.results[0].problem:
            return found.results[0].problem
        await self.appender.append(found.facts, found.refusals)
        return ""

    async def source(self, visit: Visit) -> tuple[list[bytes], Source | None]:
        """Whose key a request has; Unauthorized or Forbidden if it may not be used like that."""
        key_hashes = [hashed(key) for key in visit.keys]
        source = await self._first(key_hashes)
        if source is None and (self.strict_keys or visit.strict):
            raise Unauthorized("the write key is missing or unknown")
        if source and source.origins and visit.origin and visit.origin not in source.origins:
            raise Forbidden(f"the write key may not be used from {visit.origin}")
        return key_hashes, source

    async def _first(self, key_hashes: Sequence[bytes]) -> Source | None:
        for key_hash in key_hashes:
            source = await self.sources.find(key_hash)
            if source is not None:
                return source
        return None

    def _known(self, visit: Visit, source: Source | None, key_hashes: list[bytes]) -> Known:
        plan = self.plans.of(source.id) if source else None
        return Known(visit, source, key_hashes, times.now(), os.urandom(16), plan)

    def _sort(self, body: Body, known: Known) -> Sorted:
        if body.is_batch:  # then each message says what it is
            known = known._replace(visit=known.visit._replace(kind=""))
        envelope = body.envelope.fields
        arriving = arrival(known, envelope)
        done = Sorted([], [], [], Sights(known.source_id, known.received_at))
        for number, message in enumerate(body.messages):
            try:
                told = self._event(message, arriving, known, number)
                event, against = told, None
                if known.plan is not None:
                    event, against = planned(told, known.plan, done.sights, known.visit.strict)
            except Refused as refused:
                done.refusals.append(refusal(message, envelope, refused, known, number))
                done.results.append(Result(str(message.fields.get("messageId", "")), str(refused)))
                continue
            name = counted_as(told)
            done.sights.add(told, name)
            fact = self._fact(event, known.source, name)
            if against is not None:
                kept = refusal(message, envelope, against, known, number)
                fact = fact._replace(refusal=kept)
            done.facts.append(fact)
            done.results.append(Result(event.message_id, "" if against is None else str(against)))
        return done

    def _fact(self, event: Event, source: Source | None, name: str) -> Fact:
        free = source is not None and source.necessary
        subject = self.subject_of(event)
        if self.says_consent(event):
            event = self.once(event, subject)
        consent = self.says_consent(event)
        by_law = None if free else self.by_law(event)
        listed = self.listed(event, subject)
        return fact_of(event, subject, consent=consent, by_law=by_law, listed=listed, name=name)

    def _event(self, message: Wire, arriving: Arrival, known: Known, number: int) -> Event:
        if message.problem:
            raise Refused(message.field, message.problem)
        event = normalise(
            message.fields, arriving, self.digest, lambda: str(derived(known, number))
        )
        if known.source is None:
            raise Refused("writeKey", "is missing or unknown; create it with `cdp keys create`")
        problem = self.illegible(event) if self.says_consent(event) else None
        if problem is not None:
            raise Refused(*problem)
        return event
