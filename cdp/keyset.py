"""Which master key a database is under, and the vault that opens it, now and from now on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, text

from cdp.db import Database, mark
from cdp.errors import ConfigurationError, StoreUnavailable
from cdp.log.vault import Kept, Vault, check_of
from cdp.migrate import asked
from cdp.stopping import alongside

EVERY_SECONDS = 2.0  # a process looks so often whether its master keys have changed

_THERE = text("select to_regclass('meta') is not null, to_regclass('keyset') is not null")
_UNFINISHED = text("select exists (select from keyset where finished_at is null)")
_CURRENT = text("select value from meta where key = 'key_check'")
_CHANGES = text("select key_check, former, kept, begun_at from keyset order by generation")

log = structlog.get_logger(__name__)


class Change(NamedTuple):
    """One master key gave way to the next."""

    check: bytes
    former: bytes
    kept: bytes  # sealed with the next one
    begun_at: datetime


def opened(url: str, masters: Sequence[bytes]) -> Vault:
    """The vault of a database, with whichever of these master keys is in force there.

    ConfigurationError if all of them were given up. One that the database does not know at all, or
    a database that is not there yet, is for `cdp.migrate` to judge, by the vault's `check`.
    """
    return asked(url, lambda connection: _opened(connection, masters))


def is_changing(url: str) -> bool:
    """Whether a change of the master key has begun, and not come to its end."""
    return asked(url, lambda connection: bool(connection.execute(_UNFINISHED).scalar_one()))


def _opened(connection: Connection, masters: Sequence[bytes]) -> Vault:
    return vault(masters, *_read(connection))


def _read(connection: Connection) -> tuple[bytes | None, list[Change]]:
    """Which key is in force, if the database is born yet, and what it came from."""
    is_born, has_keyset = connection.execute(_THERE).one()
    current = connection.execute(_CURRENT).scalar() if is_born else None
    rows = connection.execute(_CHANGES) if has_keyset else ()
    changes = [Change(bytes(a), bytes(b), bytes(kept), at) for a, b, kept, at in rows]
    return None if current is None else bytes(current), changes


def vault(masters: Sequence[bytes], current: bytes | None, changes: Sequence[Change]) -> Vault:
    """Likewise, of what a database has."""
    given = {check_of(master): master for master in masters}
    if current is None:
        return Vault(*masters)
    master = given.pop(current, None)
    if master is None:
        for change in changes:
            if change.former in given:
                raise ConfigurationError(
                    f"the master key was changed on {change.begun_at:%Y-%m-%d}, and this is the "
                    "old one: set CDP_MASTER_KEY to the new one, or put it in master.key"
                )
        return Vault(*masters)
    kept = [Kept.opened(each.kept, master) for each in changes if each.check == current]
    return Vault(master, *given.values(), kept=kept[0] if kept else None)


def following(
    database: Database, ours: Vault, masters: Callable[[], Sequence[bytes]]
) -> AbstractAsyncContextManager[None]:
    """For as long as the block lasts, take up a master key once it is given and in force."""
    return alongside(_follow(database, ours, masters))


async def _follow(database: Database, ours: Vault, masters: Callable[[], Sequence[bytes]]) -> None:
    said = ""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            given = await asyncio.to_thread(masters)
            async with database.transaction() as connection:
                current, changes = await connection.run_sync(_read)
            found = vault(given, current, changes)
            if found.check == current and found.checks != ours.checks:
                ours.become(found)
                log.info("master_key_taken_up", key=mark(ours.check))
                await database.know(ours.checks)
            said = ""
        except StoreUnavailable as error:
            log.info("master_key_not_compared", error=str(error))
        except ConfigurationError as error:  # what holds the key is being written, or is wrong
            if said != str(error):
                log.error("master_key_does_not_fit", error=str(error))
            said = str(error)
