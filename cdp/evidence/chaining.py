"""Follows the log and chains its consent facts, beside the agents: nothing waits for it.

It has positions of its own. So what came before there was a chain is chained like anything else,
and neither a parked record nor a replay makes a difference: the chain is a function of the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from cdp.db import Database
from cdp.evidence import chain, store
from cdp.evidence.chain import Fact, Head, Link
from cdp.log.vault import Vault

SLICE = 2000  # offsets of each partition in one transaction

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Chaining:
    """One bounded piece after the other, by one process at a time: that of the scheduler."""

    database: Database
    vault: Vault
    _told: set[int] = field(default_factory=set)

    async def step(self) -> bool:
        """Chain the next facts of every partition; False when all of the log is chained."""
        async with self.database.transaction() as connection:
            ends = await store.log_ends(connection)
            known = await store.heads(connection)
            if not any(self._lags(known.get(each), end) for each, end in ends.items()):
                return False
            known = await store.heads(connection, lock=True)
            spans = {
                partition: (head.next_offset, min(ends[partition], head.next_offset + SLICE))
                for partition, head in self._trusted(known, ends).items()
                if self._lags(head, ends[partition])
            }
            if not spans:
                return False
            macs = {p: known[p].mac if p in known else b"" for p in spans}
            new = self._linked(macs, await store.facts(connection, self.vault, spans))
            moved = [chain.sealed(self.vault, p, spans[p][1], macs[p]) for p in sorted(spans)]
            await store.extend(connection, new, moved)
        return any(spans[partition][1] < ends[partition] for partition in spans)

    def _lags(self, head: Head | None, end: int) -> bool:
        return (head.next_offset if head else 0) < end

    def _trusted(self, known: Mapping[int, Head], ends: Mapping[int, int]) -> dict[int, Head]:
        """Where to go on. From a head that is not ours we do not: it would make forgeries true."""
        trusted = {}
        for partition in ends:
            head = known.get(partition) or chain.sealed(self.vault, partition, 0, b"")
            if chain.is_ours(self.vault, head):
                trusted[partition] = head
            elif partition not in self._told:
                self._told.add(partition)
                log.error("consent_chain_forged", partition=partition)
        return trusted

    def _linked(self, macs: dict[int, bytes], facts: list[Fact]) -> list[Link]:
        """The links of these facts; `macs` are those before them, and then the last ones."""
        new = []
        for fact in facts:
            mac = macs[fact.partition] = chain.mac_of(self.vault, macs[fact.partition], fact)
            new.append(Link(fact.partition, fact.offset, mac))
        return new
