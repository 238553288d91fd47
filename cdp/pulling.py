"""Audiences as lines, as fast as identifiers can be unsealed: nothing of a person but those.

`cdp.people` puts everything together that there is of somebody. Here it is identifiers alone, with
one question for a thousand people, and the next one under way while these are unsealed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import msgspec

from cdp.db import Database, named
from cdp.events import Instant, ProfileId
from cdp.log.vault import Vault
from cdp.times import SECOND, iso
from profiles import fragment, identified
from profiles.identified import Identified

PAGE = 1000  # people in one transaction
_TURN = 250  # people unsealed at a stretch: five milliseconds
_ID, _KEY, _LENGTH = 16, 60, 4  # bytes of a hash, of a data key as it is stored, of a length
_DATA = _ID + _KEY + _LENGTH  # where what is sealed begins

_BARE = named(
    """
    select profile, since, null, null from memberships
     where segment = :segment and profile > :after order by profile limit :limit
    """
)
# Of each person the hashes of their identifiers; and what is sealed of each of their subjects,
# after its hash, its key and its length.
_SEALED = named(
    """
    select m.profile, m.since, x.ids, x.sealed
      from (select profile, since from memberships
             where segment = :segment and profile > :after order by profile limit :limit) m
      left join lateral (
        select string_agg(n.id, ''::bytea) as ids,
               string_agg(n.id || s.key || int4send(length(f.data)) || f.data, ''::bytea) as sealed
          from nodes n left join (fragments f join subjects s on s.id = f.subject)
               on f.subject = n.id
         where n.profile = m.profile) x on true
     order by m.profile
    """
)

Row: TypeAlias = tuple[ProfileId, Instant, bytes | None, bytes | None]


class Line(msgspec.Struct, gc=False):
    """A member."""

    profile_id: str
    since: str
    identifiers: dict[str, list[str]] | msgspec.UnsetType = msgspec.UNSET


_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Pulling:
    """Reads audiences; no transaction is open while a line is on its way."""

    database: Database
    vault: Vault

    async def lines(self, segment: int, *, identifiers: bool) -> AsyncIterator[bytes]:
        """Every member in the order of profile ids, a page at a time, with identifiers or without.

        Whoever has no identifiers that can be told, for their keys are gone, is told without.
        """
        ahead = asyncio.create_task(self.page(segment, b"", identifiers))
        try:
            while True:
                rows = await ahead
                if len(rows) == PAGE:
                    ahead = asyncio.create_task(self.page(segment, rows[-1][0], identifiers))
                for first in range(0, len(rows), _TURN):
                    await asyncio.sleep(0)  # the next page is asked for, and others get their turn
                    some = rows[first : first + _TURN]
                    yield _encoder.encode_lines([self._line(row) for row in some])
                if len(rows) < PAGE:
                    return
        finally:
            ahead.cancel()

    async def page(self, segment: int, after: bytes, identifiers: bool) -> Sequence[Row]:
        """The next members after a profile id, with what is sealed of them or without."""
        statement = _SEALED if identifiers else _BARE
        values = {"segment": segment, "after": after, "limit": PAGE}
        rows: Sequence[Row] = await self.database.rows(statement, **values)  # type: ignore[assignment]
        return rows

    def _line(self, row: Row) -> Line:
        profile, since, ids, sealed = row
        line = Line(_uuid(profile), _iso(since))
        if ids and sealed:
            found = identified.identifiers(self._opened(sealed), ids, self.vault.subject)
            if found is not None:
                line.identifiers = found
        return line

    def _opened(self, sealed: bytes) -> list[Identified]:
        found, at = [], 0
        while at < len(sealed):
            subject, key = sealed[at : at + _ID], sealed[at + _ID : at + _DATA - _LENGTH]
            at += _DATA
            end = at + int.from_bytes(sealed[at - _LENGTH : at])
            packed, context = sealed[at:end], fragment.sealed_as(subject)
            found.append(identified.decode(self.vault.read(subject, key, packed, context)))
            at = end
        return found


def _uuid(profile: ProfileId) -> str:
    digits = profile.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(maxsize=10_000)
def _second(second: int) -> str:
    return iso(second * SECOND)[:-7]


def _iso(instant: Instant) -> str:
    second, rest = divmod(instant, SECOND)
    return f"{_second(second)}{rest:06d}Z"
