"""Names of events and properties: counted by their keyed hashes, and kept sealed beside them.

Most names are programs' own. But whoever writes a program may put a person into a name, and no
such thing stands in clear.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cdp.db import Connection, Database, named
from cdp.events import Instant
from cdp.log.vault import Vault
from cdp.naming import OTHER
from cdp.times import SECOND

_DAY = 86_400 * SECOND
_NOTE = named(
    """
    insert into quality_names (id, name, day)
    select i, n, d from unnest(cast(:ids as bytea[]), cast(:names as bytea[]),
                               cast(:days as int[])) u(i, n, d)
     order by i
    on conflict (id) do update set day = greatest(quality_names.day, excluded.day)
    """
)
_READ = named("select id, name from quality_names where id = any(:ids)")
_CLEAR = named("delete from quality_names where day < extract(epoch from now()) / 86400 - :days")


def sealed_as(name: bytes) -> bytes:
    """The context that a name is sealed in, by its hash."""
    return b"quality" + name


class Names:
    """What this process knows of names."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._hashes: dict[str, bytes] = {"": b""}
        self._noted: dict[str, int] = {}  # on which day

    def hash(self, name: str) -> bytes:
        """16 bytes; none of no name."""
        found = self._hashes.get(name)
        if found is None:
            found = self._hashes[name] = self._vault.digest(b"quality" + name.encode())
        return found

    async def note(self, database: Database, seen: Iterable[tuple[str, Instant]]) -> None:
        """Keep names that were seen on a day; clears what it knows of others with the day."""
        days: dict[str, int] = {}
        for name, hour in seen:
            day = hour // _DAY
            if name and self._noted.get(name, -1) < day:
                days[name] = max(day, days.get(name, 0))
        if not days:
            return
        ids = [self.hash(name) for name in days]
        told = zip(days, ids, strict=True)
        seals = [self._vault.system.seal(name.encode(), sealed_as(each)) for name, each in told]
        await database.rows(_NOTE, ids=ids, names=seals, days=list(days.values()))
        self._noted |= days

    async def read(self, connection: Connection, ids: Collection[bytes]) -> dict[bytes, str]:
        """Names by their hashes."""
        rows = await connection.execute(_READ, {"ids": list(ids)})
        system = self._vault.system
        found = {row[0]: system.open(row[1], sealed_as(row[0])).decode() for row in rows}
        return {each: found.get(each, OTHER) if each else "" for each in ids}

    async def clear(self, database: Database, days: int) -> None:
        """Forget what was not seen for so many days; and what is only known here, to be small."""
        await database.rows(_CLEAR, days=days)
        self._hashes = {"": b""}
        self._noted.clear()
