"""Connectors, kept open from one chunk to the next while their destination is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from activation import store
from activation.kinds import KINDS
from activation.kinds.protocol import Connector, Reach
from activation.model import Destination
from activation.store import Stored
from cdp.db import Connection


class Connectors:
    """Of this process. `unseal` opens what is kept of a destination's secrets."""

    def __init__(self, reach: Reach, unseal: Callable[[str, bytes], str]) -> None:
        self._reach = reach
        self._unseal = unseal
        self._open: dict[str, tuple[Stored, Connector]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, stored: Stored) -> Connector:
        """The connector of a destination as it is now; one of what it was is closed."""
        key = stored.destination.key
        known = self._open.get(key)
        if known is not None and known[0] == stored:
            return known[1]
        if known is not None:
            closing = asyncio.ensure_future(known[1].close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        secrets = secrets_of(self._unseal(key, stored.secret))
        made = KINDS[stored.destination.kind].opened(stored.destination, secrets, self._reach)
        self._open[key] = stored, made
        return made

    async def close(self) -> None:
        """Let go of all of them."""
        closing = [connector.close() for _, connector in self._open.values()]
        self._open.clear()
        await asyncio.gather(*closing, *self._closing)


def secrets_of(kept: str) -> Mapping[str, str]:
    """A destination's secrets by name; a webhook's one is kept by itself."""
    if not kept.startswith("{"):
        return {"secret": kept}
    return msgspec.json.decode(kept, type=dict[str, str])


def kept_as(secrets: Mapping[str, str]) -> str:
    """What is sealed of them; older processes know a webhook's."""
    if set(secrets) == {"secret"}:
        return secrets["secret"]
    return msgspec.json.encode(secrets).decode()


async def listeners(connection: Connection) -> list[Destination]:
    """Those that are told of people and their changes; the others carry messages alone."""
    stored = await store.destinations(connection)
    return [each.destination for each in stored if KINDS[each.destination.kind].changes]
