"""What operators did: an append-only log, whose entries are chained so that tampering shows.

Each entry carries a keyed hash over itself and the entry before it; without the master key none
can be made. So an entry that was altered, put in or taken out breaks the chain. What cuts off the
newest entries does not: for that, keep a `position:mac` elsewhere, and ask for it.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from cdp import times
from cdp.db import Connection, Database, named
from cdp.errors import Overloaded, StoreUnavailable
from cdp.events import Instant
from cdp.locks import Lock
from cdp.log.vault import Vault, link
from cdp.stopping import heed_cancellation
from cdp.times import from_datetime, to_datetime

DONE = "done"
TRIMMED = "cdp audit trim"
_MOST_WAITING = 10_000  # reads that are not written yet
_LINGER_SECONDS = 0.25
_PAGE = 1000

_COLUMNS = "position, at, actor, name, address, action, target, people, outcome, request, mac"
_HEAD = named("select position, mac from audit order by position desc limit 1")
_LOCKED = named("select pg_advisory_xact_lock(:lock)")
_ADD = named(
    f"""
    insert into audit ({_COLUMNS})
    values (:position, :at, :actor, :name, :address, :action, :target, :people, :outcome, :request,
            :mac)
    """  # noqa: S608 - columns of ours
)
_LIST = named(
    f"""
    select {_COLUMNS} from audit
    where position < :before
      and (:actor = '' or actor = :actor)
      and (:action = '' or action = :action)
      and (:person = ''::bytea or :person = any (people))
    order by position desc limit :limit
    """  # noqa: S608
)
_FROM = named(
    f"select {_COLUMNS} from audit where position > :after order by position limit :limit"  # noqa: S608
)
_TRIM = named(
    """
    delete from audit where position < coalesce(
        (select min(position) from audit where at >= :before), (select max(position) from audit)
    )
    returning position, mac
    """
)
_MAY_TRIM = named("set local cdp.audit_trim = 'on'")
_TRIMS = named("select target from audit where action = :action and outcome = :outcome")

log = structlog.get_logger(__name__)


class Entry(NamedTuple):
    """One action: who, when, what, on what, and how it ended."""

    at: Instant
    actor: str  # `api:KEY ID` or `cli:OS USER`
    name: str  # of the key, or of the machine
    address: str  # where an API call came from
    action: str  # method and route pattern, or command
    target: str = ""  # a key, a name; no person
    people: tuple[bytes, ...] = ()  # keyed hashes of the identifiers that were named
    outcome: str = DONE  # or the status that it was refused with
    request: str = ""  # X-Request-Id


class Kept(NamedTuple):
    """An entry in its place."""

    position: int
    entry: Entry
    mac: bytes


class Verdict(NamedTuple):
    """What checking the chain came to; `broken` is the first position that does not fit."""

    first: int
    last: int
    mac: bytes
    broken: int | None


def mac_of(vault: Vault, before: bytes, position: int, entry: Entry) -> bytes:
    """32 bytes over an entry, its place and the entry before it."""
    return link(vault.sign, before, (position, *entry))


async def write(connection: Connection, vault: Vault, entries: Sequence[Entry]) -> None:
    """Append; the last thing a transaction does, because others wait for it from here on."""
    await connection.execute(_LOCKED, {"lock": int(Lock.AUDIT)})
    row = (await connection.execute(_HEAD)).first()
    position, mac = (row[0], bytes(row[1])) if row else (0, b"")
    for entry in entries:
        position += 1
        mac = mac_of(vault, mac, position, entry)
        values = entry._asdict() | {"people": list(entry.people), "at": to_datetime(entry.at)}
        await connection.execute(_ADD, values | {"position": position, "mac": mac})


async def listed(
    connection: Connection,
    *,
    before: int,
    limit: int,
    actor: str = "",
    action: str = "",
    person: bytes = b"",
) -> list[Kept]:
    """Newest first, those before a position."""
    values: dict[str, Any] = {"before": before, "limit": limit, "actor": actor, "action": action}
    return [_kept(row) for row in await connection.execute(_LIST, values | {"person": person})]


async def verify(connection: Connection, vault: Vault) -> Verdict:
    """Walk the whole chain; what a trim took off is vouched for by the trim's own entry."""
    values = {"action": TRIMMED, "outcome": DONE}
    trims = {row[0] for row in await connection.execute(_TRIMS, values)}
    first, position, mac = 0, 0, b""
    while True:
        rows = await connection.execute(_FROM, {"after": position, "limit": _PAGE})
        page = [_kept(row) for row in rows]
        for kept in page:
            if not first:
                first = kept.position
                mac = _vouched(trims, first - 1)
            fits = kept.position == (position + 1 if position else first)
            mac = mac_of(vault, mac, kept.position, kept.entry)
            if not fits or not hmac.compare_digest(mac, kept.mac):
                return Verdict(first, position, mac, kept.position)
            position = kept.position
        if len(page) < _PAGE:
            return Verdict(first, position, mac, None)


async def trim(connection: Connection, vault: Vault, before: datetime, by: Entry) -> int:
    """Take off what is older, and append an entry that says so; returns how many went."""
    await connection.execute(_LOCKED, {"lock": int(Lock.AUDIT)})
    await connection.execute(_MAY_TRIM)
    gone = [(row[0], bytes(row[1])) for row in await connection.execute(_TRIM, {"before": before})]
    if gone:
        position, mac = max(gone)
        await write(connection, vault, [by._replace(action=TRIMMED, target=said(position, mac))])
    return len(gone)


def said(position: int, mac: bytes) -> str:
    """A place in the chain, to be kept elsewhere."""
    return f"{position}:{mac.hex()}"


def _vouched(trims: set[str], position: int) -> bytes:
    for each in trims:
        at, _, mac = each.partition(":")
        if at == str(position):
            return bytes.fromhex(mac)
    return b""


def _kept(row: Any) -> Kept:
    position, at, actor, name, address, action, target, people, outcome, request, mac = row
    hashes = tuple(map(bytes, people))
    when = from_datetime(at)
    entry = Entry(when, actor, name, address, action, target, hashes, outcome, request)
    return Kept(position, entry, bytes(mac))


class Audit:
    """Where a process's actions are noted: changes with the change, reads a moment later."""

    def __init__(self, database: Database, vault: Vault, *, reads: bool = True) -> None:
        self.vault = vault
        self._database = database
        self._reads = reads
        self._waiting: list[Entry] = []
        self._wake = asyncio.Event()

    async def write(self, connection: Connection, entry: Entry) -> None:
        """In the transaction of the change, at its end."""
        await write(connection, self.vault, [entry])

    async def alone(self, entry: Entry) -> None:
        """In a transaction of its own, before the answer."""
        async with self._database.transaction() as connection:
            await write(connection, self.vault, [entry])

    def read(self, entry: Entry) -> None:
        """Somebody was looked at; noted unless the settings say otherwise."""
        if self._reads:
            self.note(entry)

    def note(self, entry: Entry) -> None:
        """Soon, with others: reading must not wait for a commit. Overloaded if too many wait."""
        if len(self._waiting) >= _MOST_WAITING:
            raise Overloaded("what is read cannot be noted in the audit log now; ask again later")
        self._waiting.append(entry)
        self._wake.set()

    async def run(self) -> None:
        """Write what waits, for as long as the process lives, and the rest when it ends."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await asyncio.sleep(_LINGER_SECONDS)
                await self._flush()
                heed_cancellation()
        finally:
            await self._flush()

    async def _flush(self) -> None:
        entries, self._waiting = self._waiting, []
        if not entries:
            return
        written = False
        try:
            async with self._database.transaction() as connection:
                await write(connection, self.vault, entries)
            written = True
        except StoreUnavailable as error:
            log.warning("audit_waits", error=str(error), entries=len(entries))
        finally:
            if not written:  # also when told to stop meanwhile
                self._waiting = entries + self._waiting
                self._wake.set()


def now_by(actor: str, name: str, action: str, target: str = "") -> Entry:
    """Something that happens now at the command line."""
    return Entry(times.now(), actor, name, "", action, target)
