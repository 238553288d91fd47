"""The chain of consent facts, as a function: what each link covers, and what a head says.

In each partition of the log the facts with consent form a chain: a fact's mac is a keyed hash of
its row and of the mac before it. A head says how far the whole chain has come, in one line that
can be kept elsewhere: whatever was chained by then cannot be altered unnoticed any more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from cdp.errors import ConfigurationError
from cdp.events import Instant, SubjectId
from cdp.log.vault import Vault, link

_HEAD = re.compile(r"((?:-|\d{1,18})(?:\.(?:-|\d{1,18}))*):([0-9a-f]{64})")
_NOTHING = "-"  # stands for a partition without a fact


class Fact(NamedTuple):
    """A row of the log, as far as it is covered; `digest` is SHA-256 of the sealed payload."""

    partition: int
    offset: int
    id: bytes
    subject: SubjectId
    source: int
    at: Instant
    received_at: Instant
    digest: bytes


class Link(NamedTuple):
    """A fact's place in the chain."""

    partition: int
    offset: int
    mac: bytes


class Head(NamedTuple):
    """Where the chain of a partition ends; the log has been looked at up to `next_offset`."""

    partition: int
    next_offset: int
    mac: bytes
    seal: bytes


def mac_of(vault: Vault, before: bytes, fact: Fact) -> bytes:
    """32 bytes over a fact, its place and the fact before it."""
    return link(vault.attest, before, fact)


def sealed(vault: Vault, partition: int, next_offset: int, mac: bytes) -> Head:
    """A head; without the master key none can be made that says less, to chain it all anew."""
    seal = link(vault.attest, b"head", (partition, next_offset, mac))
    return Head(partition, next_offset, mac, seal)


def is_ours(vault: Vault, head: Head) -> bool:
    """Whether its seal fits."""
    return head == sealed(vault, *head[:3])


class Reduction(NamedTuple):
    """What the chain covers of a fact that was cut down to its decisions later; see retention."""

    digest: bytes
    mac: bytes


def reduced(vault: Vault, place: tuple[int, int], digest: bytes, remains: bytes) -> bytes:
    """What says that we left `remains` of a fact, by SHA-256 of its payload before and after."""
    return link(vault.attest, b"reduced", (*place, digest, remains))


def covered(vault: Vault, fact: Fact, found: Reduction | None) -> Fact:
    """The fact as the chain covers it; as it stands there, unless we reduced it to just that."""
    if found is None:
        return fact
    mac = reduced(vault, (fact.partition, fact.offset), found.digest, fact.digest)
    return fact._replace(digest=found.digest) if mac == found.mac else fact


class Anchor(NamedTuple):
    """The last chained offset of each partition, None where there is none, and one mac of all."""

    ends: tuple[int | None, ...]
    mac: str

    def __str__(self) -> str:
        return ".".join(_NOTHING if n is None else str(n) for n in self.ends) + f":{self.mac}"


def anchor(vault: Vault, ends: Mapping[int, tuple[int, bytes]], partitions: int) -> Anchor:
    """What is to be kept elsewhere, of the last link of each partition."""
    places = tuple(ends[n][0] if n in ends else None for n in range(partitions))
    macs = [ends[n][1] if n in ends else b"" for n in range(partitions)]
    return Anchor(places, link(vault.attest, b"anchor", tuple(macs)).hex())


def read_anchor(written: str) -> Anchor:
    """One that was kept; ConfigurationError if it is none."""
    found = _HEAD.fullmatch(written.strip())
    if found is None:
        raise ConfigurationError("--head: give what an earlier `cdp consent verify` has printed")
    ends = [None if each == _NOTHING else int(each) for each in found[1].split(".")]
    return Anchor(tuple(ends), found[2])
