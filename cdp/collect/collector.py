"""Takes messages in: finds their source, normalises them, quarantines what breaks the contract."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from cdp import times
from cdp.collect.keys import hashed
from cdp.collect.normalise import Arrival, Refused, normalise
from cdp.collect.sources import Source, Sources
from cdp.collect.wire import Body, Envelope, Wire, parse
from cdp.errors import Forbidden, Invalid, Unauthorized
from cdp.events import Event, Instant, SubjectId, mapping
from cdp.limits import Rates
from cdp.log.appender import Appender
from cdp.log.quarantine import Refusal
from cdp.log.writing import Fact, fact_of


class Visit(NamedTuple):
    """What a request says beside its body."""

    route: str
    kind: str  # the call that the route stands for; empty when each message says it
    keys: Sequence[str]
    origin: str = ""
    anonymous_id: str = ""
    ip: str = ""  # only where the route or the caller is a browser or a phone
    gpc: bool = False
    strict: bool = False
    ip_policy: str = ""
    trace: bytes = b""  # empty unless the request is traced


class Result(NamedTuple):
    """What became of one message."""

    message_id: str
    problem: str


class Kept(msgspec.Struct, array_like=True):
    """A refused message with all that is needed to take it again."""

    raw: bytes
    kind: str
    envelope: dict[str, Any]
    anonymous_id: str
    ip: str
    gpc: bool
    key_hashes: list[bytes]
    ip_policy: str


class Known(NamedTuple):
    """What one request's messages share."""

    visit: Visit
    source: Source | None
    key_hashes: list[bytes]  # of the write key, in each of its readings; empty: none was sent
    received_at: Instant
    cause: bytes  # 16; ids that a message lacks are derived from it: repeating is harmless


class Sorted(NamedTuple):
    """A request's messages: the good, the others with their reasons, and a result for each."""

    facts: list[Fact]
    refusals: list[Refusal]
    results: list[Result]


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
    strict_keys: bool = False

    async def sort(self, body: Body, visit: Visit) -> Sorted:
        """Tell the messages that may be kept from those that may not."""
        key_hashes, source = await self._source(visit)
        if self.rates.key and source:
            await self.rates.limits.take(self.rates.key, f"source {source.id}", body.size)
        known = Known(visit, source, key_hashes, times.now(), os.urandom(16))
        found = self._sort(body, known)
        # A strict caller hears of every refusal itself; keeping it too would double it later.
        return found._replace(refusals=[]) if visit.strict else found

    async def keep(self, found: Sorted) -> None:
        """Returns when every message is durable, in the log or in quarantine."""
        await self.appender.append(found.facts, found.refusals)

    async def again(self, refusal: Refusal) -> str:
        """Take a quarantined message by today's rules; returns the problem that is left, if any.

        What was refused in one piece and can be taken apart now is: each of its messages then goes
        its own way, into the log or into quarantine.
        """
        kept = msgspec.msgpack.decode(refusal.body, type=Kept)
        try:
            body = parse(kept.raw, batch=False)
        except Invalid as invalid:
            return invalid.detail
        own = {name: value for name, value in body.envelope.fields.items() if value is not None}
        body = body._replace(envelope=Envelope(kept.envelope | own))
        visit = Visit(
            refusal.route,
            kept.kind,
            (),
            anonymous_id=kept.anonymous_id,
            ip=kept.ip,
            gpc=kept.gpc,
            ip_policy=kept.ip_policy,
        )
        source = await self._first(kept.key_hashes)
        known = Known(visit, source, kept.key_hashes, refusal.received_at, refusal.ref)
        facts, refusals, results = self._sort(body, known)
        if len(results) == 1 and refusals:
            return results[0].problem
        await self.appender.append(facts, refusals)
        return ""

    async def _source(self, visit: Visit) -> tuple[list[bytes], Source | None]:
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

    def _sort(self, body: Body, known: Known) -> Sorted:
        if body.is_batch:  # then each message says what it is
            known = known._replace(visit=known.visit._replace(kind=""))
        arrival = _arrival(known, body.envelope.fields)
        done = Sorted([], [], [])
        for number, message in enumerate(body.messages):
            try:
                event = self._event(message, arrival, known, number)
            except Refused as refused:
                kept = _kept(message, body.envelope.fields, known)
                done.refusals.append(_refusal(kept, refused, known, number))
                done.results.append(Result(str(message.fields.get("messageId", "")), str(refused)))
            else:
                done.facts.append(self._fact(event, known.source))
                done.results.append(Result(event.message_id, ""))
        return done

    def _fact(self, event: Event, source: Source | None) -> Fact:
        free = source is not None and source.necessary
        subject = self.subject_of(event)
        if self.says_consent(event):
            event = self.once(event, subject)
        consent = self.says_consent(event)
        by_law = None if free else self.by_law(event)
        listed = self.listed(event, subject)
        return fact_of(event, subject, consent=consent, by_law=by_law, listed=listed)

    def _event(self, message: Wire, arrival: Arrival, known: Known, number: int) -> Event:
        if message.problem:
            raise Refused(message.field, message.problem)
        event = normalise(
            message.fields, arrival, self.digest, lambda: str(_derived(known, number))
        )
        if known.source is None:
            raise Refused("writeKey", "is missing or unknown; create it with `cdp keys create`")
        problem = self.illegible(event) if self.says_consent(event) else None
        if problem is not None:
            raise Refused(*problem)
        return event


def _derived(known: Known, number: int) -> uuid.UUID:
    return uuid.uuid5(uuid.UUID(bytes=known.cause), str(number))


def _arrival(known: Known, envelope: Mapping[str, Any]) -> Arrival:
    visit = known.visit
    return Arrival(
        known.source.id if known.source else 0,
        known.received_at,
        visit.kind,
        envelope.get("sentAt"),
        mapping(envelope.get("context")),
        mapping(envelope.get("integrations")),
        visit.anonymous_id,
        visit.ip,
        visit.ip_policy,
        visit.gpc,
        visit.trace,
    )


def _kept(message: Wire, envelope: Mapping[str, Any], known: Known) -> bytes:
    visit = known.visit
    return msgspec.msgpack.encode(
        Kept(
            message.raw,
            visit.kind,
            {name: envelope.get(name) for name in ("sentAt", "context", "integrations")},
            visit.anonymous_id,
            visit.ip,
            visit.gpc,
            known.key_hashes,
            visit.ip_policy,
        )
    )


def _refusal(kept: bytes, refused: Refused, known: Known, number: int) -> Refusal:
    return Refusal(
        _derived(known, number).bytes,
        known.source.id if known.source else None,
        known.key_hashes[0] if known.key_hashes else b"",
        known.received_at,
        str(refused),
        refused.field,
        known.visit.route,
        kept,
    )
