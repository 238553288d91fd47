"""Walks the log beside the chain of its consent facts, and names what does not fit."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from cdp.db import Connection
from cdp.evidence import chain, store
from cdp.evidence.chain import Anchor, Fact, Head, Link
from cdp.log.vault import Vault

PAGE = 2000  # offsets looked at at once
MOST = 1000  # findings that are kept; all of them are counted
_COMPARED = 200  # altered rows of a partition among which exchanged ones are looked for

Kind: TypeAlias = Literal["altered", "moved", "inserted", "removed", "cut", "forged", "anchor"]
Progress: TypeAlias = Callable[[int, int], None]  # offsets done, of how many


class Finding(NamedTuple):
    """What does not fit; `offset` is None where it is the whole partition."""

    partition: int
    offset: int | None
    kind: Kind
    detail: str


@dataclass(slots=True)
class Verdict:
    """What a walk came to. `waiting` facts are newer than the chain, which follows in a moment."""

    facts: int = 0
    waiting: int = 0
    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    anchor: str = ""

    def note(self, *findings: Finding) -> None:
        """Count them, and keep them while there is room."""
        self.found += len(findings)
        self.findings += findings[: MOST - len(self.findings)]


class _Bad(NamedTuple):
    """A row that does not give its mac; `before` are the macs that may have stood before it."""

    fact: Fact
    mac: bytes
    before: tuple[bytes, ...]


@dataclass(slots=True)
class _Walk:
    """One partition. A row's mac may follow that of the row before it, as it is stored or as it
    should be, or the last one that fitted: so a row is named for what it is, not for its neighbour.
    """

    vault: Vault
    partition: int
    stored: bytes = b""
    computed: bytes = b""
    fitting: bytes = b""
    last: Link | None = None
    bad: list[_Bad] = field(default_factory=list)
    gaps: list[tuple[int, int, int]] = field(default_factory=list)  # start, end, of which row

    def link(self, each: Link, fact: Fact | None) -> Finding | None:
        """The next link, with the row it belongs to."""
        finding, before = None, (self.stored, self.computed, self.fitting)
        if fact is None:
            finding = self._finding(each.offset, "removed", "there is no such fact in the log")
        elif not any(self._fits(mac, fact, each.mac) for mac in dict.fromkeys(before)):
            self.bad.append(_Bad(fact, each.mac, before))
            self.gaps.append((self.last.offset + 1 if self.last else 0, each.offset, each.offset))
        else:
            self.fitting = each.mac
        self.computed = chain.mac_of(self.vault, self.stored, fact) if fact else each.mac
        self.stored, self.last = each.mac, each
        return finding

    def inserted(self, fact: Fact) -> Finding:
        """A row that has no link, though the chain is further."""
        return self._finding(fact.offset, "inserted", "it is in the log and was never chained")

    def end(self, head: Head | None) -> Iterator[Finding]:
        """Where the chain stops, and where its head says that it does."""
        if head is None:
            if self.last is not None:
                yield self._finding(None, "cut", "how far the chain had come is not there any more")
        elif not chain.is_ours(self.vault, head):
            yield self._finding(None, "forged", "the head of the chain was not made by us")
        elif not hmac.compare_digest(head.mac, self.stored):
            detail = f"the chain ends before offset {head.next_offset}, which it had reached"
            yield self._finding(None, "cut", detail)

    def altered(self, missing: Sequence[tuple[int, list[int]]]) -> Iterator[Finding]:
        """The rows that did not fit. Where offsets are missing before one, those are what is wrong.

        Rows that were exchanged are told apart: each gives the other's mac in the other's place.
        """
        gone = dict(missing)
        for number, bad in enumerate(self.bad):
            at = bad.fact.offset
            if gone.get(at):
                for offset in gone[at]:
                    yield self._finding(offset, "removed", "nothing stands there, nor in the chain")
                continue
            others = (each for each in self.bad[:_COMPARED] if each is not bad)
            other = next((o for o in others if self._belongs(o, bad)), None)
            if number < _COMPARED and other is not None:
                detail = f"what stands at {other.fact.offset} was written here"
                yield self._finding(at, "moved", detail)
            else:
                detail = "it is not what was chained, or a fact before it was taken out"
                yield self._finding(at, "altered", detail)

    def _belongs(self, other: _Bad, bad: _Bad) -> bool:
        there = other.fact._replace(offset=bad.fact.offset)
        return any(self._fits(mac, there, bad.mac) for mac in bad.before)

    def _fits(self, before: bytes, fact: Fact, mac: bytes) -> bool:
        return hmac.compare_digest(chain.mac_of(self.vault, before, fact), mac)

    def _finding(self, offset: int | None, kind: Kind, detail: str) -> Finding:
        return Finding(self.partition, offset, kind, detail)


@dataclass(frozen=True, slots=True)
class Verifying:
    """One look at everything; the connection's transaction sees one moment throughout."""

    connection: Connection
    vault: Vault
    progress: Progress = lambda done, of: None

    async def run(self, noted: Anchor | None = None) -> Verdict:
        """Walk every partition; `noted` is what an earlier run said."""
        verdict = Verdict()
        logs = await store.log_ends(self.connection)
        links = await store.chain_ends(self.connection)
        heads = await store.heads(self.connection)
        ends = {p: max(logs.get(p, 0), links.get(p, 0)) for p in {*logs, *links, *heads}}
        done, total, last = 0, sum(ends.values()), {}
        for partition, end in sorted(ends.items()):
            walk = _Walk(self.vault, partition)
            head = heads.get(partition)
            chained = max(head.next_offset if head else 0, links.get(partition, 0))
            for start in range(0, end, PAGE):
                stop = min(end, start + PAGE)
                await self._page(walk, start, stop, chained, verdict)
                self.progress(done + stop, total)
            done += end
            verdict.note(*walk.end(head), *walk.altered(await self._missing(walk)))
            if walk.last is not None:
                last[partition] = walk.last.offset, walk.last.mac
        if noted is not None:
            verdict.note(*await self._anchored(noted))
        verdict.anchor = str(chain.anchor(self.vault, last, max(ends, default=-1) + 1))
        return verdict

    async def _page(
        self, walk: _Walk, start: int, end: int, chained: int, verdict: Verdict
    ) -> None:
        rows = await store.facts(self.connection, self.vault, {walk.partition: (start, end)})
        facts = {fact.offset: fact for fact in rows}
        links = await store.links(self.connection, walk.partition, start, end)
        by_offset = {each.offset: each for each in links}
        for offset in sorted(facts.keys() | by_offset.keys()):
            fact, each = facts.get(offset), by_offset.get(offset)
            verdict.facts += fact is not None
            finding = None
            if each is not None:
                finding = walk.link(each, fact)
            elif fact is not None and offset < chained:
                finding = walk.inserted(fact)
            elif fact is not None:
                verdict.waiting += 1
            if finding is not None:
                verdict.note(finding)

    async def _missing(self, walk: _Walk) -> list[tuple[int, list[int]]]:
        """For each row that does not fit, the offsets before it that the log does not have."""
        return [
            (row, await store.missing(self.connection, walk.partition, start, end, MOST))
            for start, end, row in walk.gaps[:MOST]
        ]

    async def _anchored(self, noted: Anchor) -> Iterable[Finding]:
        """What was chained by then has to be there as it was."""
        ends = {p: offset for p, offset in enumerate(noted.ends) if offset is not None}
        macs = await store.links_at(self.connection, ends.items())
        gone = [
            Finding(p, offset, "cut", "it was chained when the head was noted, and is not any more")
            for p, offset in ends.items()
            if (p, offset) not in macs
        ]
        if gone:
            return gone
        found = {p: (offset, macs[p, offset]) for p, offset in ends.items()}
        if chain.anchor(self.vault, found, len(noted.ends)) == noted:
            return ()
        detail = "the chain is another one than when the head was noted"
        return [Finding(p, offset, "anchor", detail) for p, offset in ends.items()] or [
            Finding(0, None, "anchor", detail)
        ]
