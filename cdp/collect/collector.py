"""Takes messages in: finds their source, normalises them, quarantines what breaks the contract."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from cdp import times
from cdp.collect.keys import Source, Sources, hashed
from cdp.collect.normalise import Arrival, Refused, normalise
from cdp.collect.wire import MAX_BATCH, Body, Wire, read_message
from cdp.errors import Forbidden, Unauthorized
from cdp.events import Event, Instant, SubjectId, mapping
from cdp.log.appender import Appender, Fact
from cdp.log.quarantine import Refusal


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


@dataclass(frozen=True, slots=True)
class Collector:
    """Everything between a parsed body and the log. The domains' rules come in as functions."""

    appender: Appender
    sources: Sources
    digest: Callable[[bytes], bytes]
    subject_of: Callable[[Event], SubjectId]
    carries_consent: Callable[[Event], bool]
    strict_keys: bool = False

    async def take(self, body: Body, visit: Visit) -> list[Result]:
        """Returns when every message is durable, in the log or in quarantine."""
        key_hash, source = await self._source(visit)
        arrival = _arrival(source, body.envelope.fields, visit, times.now())
        facts: list[Fact] = []
        refusals: list[Refusal] = []
        results: list[Result] = []
        for number, message in enumerate(body.messages):
            try:
                if number >= MAX_BATCH:
                    raise Refused("batch", f"has over {MAX_BATCH} messages; send smaller ones")
                fact = self._fact(message, arrival, source)
            except Refused as refused:
                kept = _kept(message, body.envelope.fields, visit)
                refusals.append(_refusal(kept, refused, visit, key_hash, arrival))
                results.append(Result(str(message.fields.get("messageId", "")), str(refused)))
            else:
                facts.append(fact)
                results.append(Result(fact.event.message_id, ""))
        # A strict caller hears of every refusal itself; keeping it too would double it later.
        await self.appender.append(facts, () if visit.strict else refusals)
        return results

    async def again(self, refusal: Refusal) -> str:
        """Take a quarantined message by today's rules; returns the problem that is left, if any."""
        kept = msgspec.msgpack.decode(refusal.body, type=Kept)
        source = await self.sources.find(refusal.key_hash)
        visit = Visit(refusal.route, kept.kind, (), "", kept.anonymous_id, kept.ip, kept.gpc)
        arrival = _arrival(source, kept.envelope, visit, refusal.received_at)
        try:
            fact = self._fact(read_message(kept.raw), arrival, source)
        except Refused as refused:
            return str(refused)
        await self.appender.append([fact])
        return ""

    async def _source(self, visit: Visit) -> tuple[bytes, Source | None]:
        for key in visit.keys:
            source = await self.sources.find(hashed(key))
            if source is None:
                continue
            if source.origins and visit.origin and visit.origin not in source.origins:
                raise Forbidden(f"this write key may not be used from {visit.origin}")
            return hashed(key), source
        if self.strict_keys or visit.strict:
            raise Unauthorized("the write key is missing or unknown")
        return hashed(visit.keys[0]) if visit.keys else b"", None

    def _fact(self, message: Wire, arrival: Arrival, source: Source | None) -> Fact:
        if message.problem:
            raise Refused("message", message.problem)
        event = normalise(message.fields, arrival, self.digest)
        if source is None:
            raise Refused("writeKey", "is missing or unknown; create it with `cdp keys create`")
        return Fact(event, self.subject_of(event), self.carries_consent(event))


def _arrival(
    source: Source | None, envelope: Mapping[str, Any], visit: Visit, received_at: Instant
) -> Arrival:
    return Arrival(
        source.id if source else 0,
        received_at,
        visit.kind,
        envelope.get("sentAt"),
        mapping(envelope.get("context")),
        mapping(envelope.get("integrations")),
        visit.anonymous_id,
        visit.ip,
        visit.gpc,
    )


def _kept(message: Wire, envelope: Mapping[str, Any], visit: Visit) -> bytes:
    shared = {name: envelope.get(name) for name in ("sentAt", "context", "integrations")}
    kept = Kept(message.raw, visit.kind, shared, visit.anonymous_id, visit.ip, visit.gpc)
    return msgspec.msgpack.encode(kept)


def _refusal(
    kept: bytes, refused: Refused, visit: Visit, key_hash: bytes, arrival: Arrival
) -> Refusal:
    return Refusal(
        os.urandom(16),
        arrival.source or None,
        key_hash,
        arrival.received_at,
        str(refused),
        refused.field,
        visit.route,
        kept,
    )
