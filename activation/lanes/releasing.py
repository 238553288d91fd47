"""Lets deliveries go that wait for their destination: by the scheduler, a few at each tick."""

from __future__ import annotations

from activation.lanes import rows, store
from activation.lanes.model import OPEN
from activation.lanes.slots import LIMITED, to_release
from cdp.db import Connection
from cdp.events import Instant

_MOST = 200  # at a tick, for each destination that answers again or has no rate any more


async def answering(connection: Connection, now: Instant) -> None:
    """What was held while a destination did not answer."""
    for destination in await store.closing(connection):
        if await store.release(connection, destination, OPEN, now, _MOST) < _MOST:
            await store.forget(connection, destination)


async def limited(connection: Connection, now: Instant) -> None:
    """Those whose slots are near, first come first; with nobody left, whoever comes goes on."""
    for destination, row, rate in await rows.waited_for(connection):
        out = await rows.out(connection, destination, now)
        most = _MOST if rate is None else to_release(row, rate, now, out)
        if not most:
            continue
        let_go = await store.release(connection, destination, LIMITED, now, most)
        if not let_go and not out:
            await rows.put(connection, destination, row._replace(last=None))
