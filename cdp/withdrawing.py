"""A withdrawal that is acknowledged has no send after it: whoever records one waits here first.

A delivery is checked in a transaction that locks its row before it reads anybody's decisions, notes
`sending` with a lease, commits, and only then sends. So once a denial is committed, each open
delivery of that person is in one of three states. A check holds its row, and may have missed the
denial; or it is sent on the word of such a check; or neither, and its check is to come and sees the
denial. The first two are waited for. A worker that stands still or dies meanwhile has its
transaction ended by the server, or its lease runs out; after that it does not send.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from cdp import times
from cdp.db import Database, named
from cdp.errors import Overloaded
from cdp.events import Event, SubjectId
from cdp.log.writing import Fact

# A transaction that stands still is ended after 20 s, and no lease is longer than 45 s.
LONGEST_SECONDS = 75.0
_FIRST_WAIT, _LONGEST_WAIT = 0.01, 0.25

# That somebody left, or a yes has ended, needs no consent; the first is the withdrawal's own news.
_OPEN = named(
    """
    with mine as materialized (select m.id from nodes n join nodes m on m.profile = n.profile
                                where n.id = any(:subjects))
    select d.id from deliveries d
     where d.state in ('requested', 'retrying', 'sending') and d.kind not in ('left', 'expired')
       and d.profile in (select id from mine)
     union all
    select d.id from deliveries d where d.state = 'delayed' and d.profile in (select id from mine)
    """
)
_LOOK = named(
    """
    with free as materialized (
        select id, case when state = 'sending' then due end as due from deliveries
         where id = any(:ids) order by id for key share skip locked)
    select d.id, f.id is null, f.due from deliveries d left join free f on f.id = d.id
     where d.id = any(:ids)
    """
)


async def settled(database: Database, subjects: Collection[SubjectId]) -> None:
    """Return once nothing is sent any more on what these people's decisions were before this call.

    Call it when a denial is committed, and before it is acknowledged. As a rule nothing is under
    way, and it takes one query. Overloaded, though the denial stands, if there is no end to it for
    longer than leases last.
    """
    held = {row[0] for row in await database.rows(_OPEN, subjects=list(subjects))}
    deadline, wait = time.monotonic() + LONGEST_SECONDS, _FIRST_WAIT
    while held and (held := await _held(database, held)):
        if time.monotonic() > deadline:
            raise Overloaded("the withdrawal is recorded, but a send is still under way")
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)


async def _held(database: Database, ids: Collection[bytes]) -> set[bytes]:
    """Those of these deliveries that a check holds, or that are being sent under a lease."""
    rows = await database.rows(_LOOK, ids=list(ids))
    now = times.now()
    return {each for each, checked, lease in rows if checked or (lease is not None and lease > now)}


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """What the log's appender does for facts of consent before it tells that they are kept."""

    database: Database
    denies: Callable[[Event], bool]

    async def __call__(self, facts: Sequence[Fact], *, stored: bool) -> None:
        """Wait for what is under way of those who deny something; the others wait for nothing.

        A denial that lies on a collector's own disk binds nobody yet, and is not acknowledged.
        """
        denying: set[SubjectId] = set()
        for each in facts:
            if each.event is not None and each.subject not in denying and self.denies(each.event):
                denying.add(each.subject)
        if not denying:
            return
        if not stored:
            raise Overloaded("the store is away: the decision is kept, and counts once it is back")
        await settled(self.database, denying)
