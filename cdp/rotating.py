"""Changes the master key while the platform runs: all that the old one sealed is sealed anew.

From its beginning on the new key alone opens everything: what opens the rest is kept, sealed with
it, until nothing needs it any more. So no crash and no process on the way can lose a row.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeAlias

from cdp import audit, keyset
from cdp.audit import Entry
from cdp.db import Connection, Database, Row, mark, named
from cdp.errors import ConfigurationError, Conflict, Unreadable
from cdp.log.vault import Kept, Seal, Vault, check_of
from cdp.sealings import COLUMNS, Sealed

BATCH = 1000  # rows

Progress: TypeAlias = Callable[[str, int, int], None]  # (table, done, of how many)

_CURRENT = named("select value from meta where key = 'key_check' for update")
_KEPT = named("select kept, finished_at is not null from keyset where key_check = :check")
_GIVEN_UP = named("select exists (select from keyset where former = :check)")
_MOVE = named("update meta set value = :check where key = 'key_check'")
_BEGIN = named("insert into keyset (key_check, former, kept) values (:check, :former, :kept)")
_SETTLE = named("update keyset set settled_at = now() where key_check = :check")
_FINISH = named(
    """
    update keyset set kept = :kept, finished_at = coalesce(finished_at, now())
     where key_check = :check
    """
)
# Each process says in its sessions' name which master keys it has, first the one that it seals
# with. Those of older versions have one and do not say it.
_OTHERS = named(
    """
    select count(distinct pid) from pg_stat_activity
     where datname = current_database()
       and case when application_name ~ '^cdp [0-9]{4} ' then application_name !~ :wanted
                when application_name ~ '^cdp [0-9]{4}$'
                then substr(application_name, 5, 4) < :since end
    """
)
_SINCE = "0017"
_LOOK_SECONDS = 0.5
_ONE_KEY = (
    "there is only one master key: make another with `openssl rand -hex 32`, give all processes "
    "both, the new one first (CDP_MASTER_KEY='NEW OLD'), and then run this again"
)


class Tally(NamedTuple):
    """What going through all of it came to; what is `lost` no key opens, nor ever did."""

    seen: int = 0
    renewed: int = 0
    lost: int = 0

    def __add__(self, other: object) -> Tally:
        """Of both."""
        assert isinstance(other, Tally)
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))


class Outcome(NamedTuple):
    """How far a change has come: while sessions may seal with the old key, it is not finished."""

    tally: Tally
    waits_for: int


async def change(
    url: str,
    masters: Sequence[bytes],
    by: Entry,
    progress: Progress = lambda table, done, of: None,
    *,
    end_links: bool = False,
    patience: float = 0.0,
) -> Outcome:
    """Put the first of these master keys in force, and seal with it whatever another one has.

    Goes on where a run before has ended. What runs takes the key up by itself where it is given it;
    `patience` are the seconds to wait for that. Conflict while a process runs that does not have
    it; ConfigurationError if there never was another key.
    """
    vault = await asyncio.to_thread(keyset.opened, url, masters)
    if vault.check != check_of(masters[0]):
        async with _opened(url, vault) as database:
            knows = f" {mark(check_of(masters[0]))}( |$)"
            if others := await _without(database, knows, patience):
                raise Conflict(
                    f"{others} sessions are of processes that do not have the new master key: give "
                    "them both, the new one first, and then run this again"
                )
            await _begin(database, vault, masters[0], by)
        vault = await asyncio.to_thread(keyset.opened, url, masters)
    async with _opened(url, vault) as database:
        async with database.transaction() as connection:
            kept = await _kept(connection, vault.check)
        if kept is None or (kept[1] and len(masters) == 1 and not end_links):
            raise ConfigurationError(_ONE_KEY)
        waits_for = await _settle(database, vault.check, patience)
        tally = Tally()
        for each in COLUMNS:
            tally += await _renew(database, vault, each, progress)
        if not waits_for:
            await _finish(database, vault, masters[0], by, end_links=end_links)
    return Outcome(tally, waits_for)


@asynccontextmanager
async def _opened(url: str, vault: Vault) -> AsyncIterator[Database]:
    database = Database(url, knows=vault.checks)
    try:
        yield database
    finally:
        await database.close()


async def _begin(database: Database, vault: Vault, master: bytes, by: Entry) -> None:
    """From the commit on whoever starts seals with the new key, and needs no other one."""
    check = check_of(master)
    async with database.transaction() as connection:
        await connection.execute(_CURRENT)
        kept = await _kept(connection, vault.check)
        if kept is not None and not kept[1]:
            raise Conflict(
                "the last change of the master key is not finished: run this with the key that is "
                "in force first, alone"
            )
        if (await connection.execute(_GIVEN_UP, {"check": check})).scalar_one():
            raise Conflict("the first of these master keys was given up before: make a new one")
        values = {"check": check, "former": vault.check, "kept": vault.handed_over(master)}
        await connection.execute(_BEGIN, values)
        await connection.execute(_MOVE, {"check": check})
        await audit.write(connection, vault, [by._replace(target=f"begun {mark(check)}")])


async def _settle(database: Database, check: bytes, patience: float) -> int:
    """Once nobody seals with the old key, see to it that nobody can, were it a process cut off.

    Who did in between is waited for too: what follows has to find all that they have sealed.
    """
    seals = f"^cdp [0-9]{{4}} {mark(check)}"
    if waits_for := await _without(database, seals, patience):
        return waits_for
    await database.rows(_SETTLE, check=check)
    return await _without(database, seals, patience)


async def _renew(database: Database, vault: Vault, each: Sealed, progress: Progress) -> Tally:
    """All values of a column. What changes meanwhile is left as it has become."""
    seal, after, tally = each.seal(vault), each.least, Tally()
    async with database.transaction() as connection:
        total = (await connection.execute(each.total)).scalar_one()
    while True:
        async with database.transaction() as connection:
            rows = (await connection.execute(each.read, {"after": after, "limit": BATCH})).all()
            renewed, lost = _renewed(rows, seal, each.context)
            if renewed:
                ids, olds, news = map(list, zip(*renewed, strict=True))
                await connection.execute(each.write, {"ids": ids, "olds": olds, "news": news})
        tally += Tally(len(rows), len(renewed), lost)
        progress(each.table, tally.seen, max(total, tally.seen))
        if len(rows) < BATCH:
            return tally
        after = rows[-1][0]


def _renewed(
    rows: Sequence[Row], seal: Seal, context: Callable[[Any], bytes]
) -> tuple[list[tuple[Any, bytes, bytes]], int]:
    """Id, old and new value of those that change; and how many do not open."""
    found, lost = [], 0
    for identity, sealed in rows:
        try:
            new = seal.moved(sealed, context(identity))
        except Unreadable:
            lost += 1
            continue
        if new is not None:
            found.append((identity, sealed, new))
    return found, lost


async def _finish(
    database: Database, vault: Vault, master: bytes, by: Entry, *, end_links: bool
) -> None:
    """Nothing that was kept of keys before is needed any more, but what opens people's links."""
    async with database.transaction() as connection:
        await connection.execute(_CURRENT)
        found = await _kept(connection, vault.check)
        assert found is not None
        stored, finished = found
        kept = Kept.opened(stored, master)
        moved = kept.moved(end_links=end_links)
        if finished and moved == kept:
            return
        await connection.execute(_FINISH, {"kept": moved.sealed(master), "check": vault.check})
        await audit.write(connection, vault, [by._replace(target=f"finished {mark(vault.check)}")])


async def _kept(connection: Connection, check: bytes) -> tuple[bytes, bool] | None:
    row = (await connection.execute(_KEPT, {"check": check})).first()
    return (row[0], row[1]) if row else None


async def _without(database: Database, wanted: str, patience: float) -> int:
    """Sessions of processes whose keys are not as wanted, and do not become so in time."""
    deadline = time.monotonic() + patience
    while True:
        ((count,),) = await database.rows(_OTHERS, wanted=wanted, since=_SINCE)
        if not count or time.monotonic() >= deadline:
            return int(count)
        await asyncio.sleep(_LOOK_SECONDS)
