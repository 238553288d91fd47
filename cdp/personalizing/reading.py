"""Who a visitor is, as far as a decision needs it: segments and consent, remembered by version.

A profile's version changes with everything that touches it, so what is remembered is what would be
read again; only what changes by the clock alone waits for the end of a few seconds.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cdp import times
from cdp.db import Connection, Database
from cdp.events import Identifier, ProfileId
from cdp.log.vault import Vault
from cdp.people import People
from cdp.personalizing import store
from cdp.personalizing.store import Found
from consent.standing import granted

_SECONDS = 10.0  # what is remembered counts for
_MOST = 50_000  # profiles


class Known(NamedTuple):
    """A person, as content is chosen by."""

    profile: ProfileId
    segments: frozenset[str]
    allows: Mapping[str, bool]


class Reader:
    """Of this process. Nothing of what anybody is called is remembered."""

    def __init__(self, database: Database, vault: Vault, people: People) -> None:
        self.database, self.people = database, people
        self._vault = vault
        self._known: OrderedDict[ProfileId, tuple[int, float, Known]] = OrderedDict()

    async def find(self, who: Sequence[Identifier]) -> Known | None:
        """The first of these identifiers that is somebody's; None if all are new."""
        ids = [self._vault.subject(*each) for each in who]
        async with self.database.autocommit() as connection:
            found = await store.who(connection, ids)
            first = next((found[each] for each in ids if each in found), None)
            if first is None:
                return None
            version, until, known = self._known.get(first.profile, (-1, 0.0, None))
            if known is None or version != first.version or until < time.monotonic():
                known = await self._read(connection, first)
                self._keep(first, known)
        return known

    def seed(self, who: Sequence[Identifier]) -> bytes:
        """What stands for somebody who is not known yet."""
        return self._vault.subject(*who[0])

    def forget(self) -> None:
        """Read anew: purposes have changed, or segments."""
        self._known.clear()

    async def _read(self, connection: Connection, found: Found) -> Known:
        nodes, segments = await store.standing(connection, found.profile)
        people = {found.profile: nodes}
        stands = await self.people.stands(connection, people, times.now())
        return Known(found.profile, frozenset(segments), granted(stands[found.profile]))

    def _keep(self, found: Found, known: Known) -> None:
        self._known[found.profile] = found.version, time.monotonic() + _SECONDS, known
        self._known.move_to_end(found.profile)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
