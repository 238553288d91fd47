"""Messages to people, written down before they are sent: which template, and because of what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from activation import store
from activation.model import Delivery
from cdp.db import Connection


class Letter(NamedTuple):
    """A delivery of kind MESSAGE, and what it says.

    `says` has references alone (a template's key, an event's id): it lies in the ledger, where an
    erased person's key does not reach. What is somebody's own is looked up when it is sent.
    """

    delivery: Delivery
    says: Mapping[str, Any]


async def write(
    connection: Connection,
    letters: Sequence[Letter],
    sealed: Callable[[bytes, Mapping[str, Any]], bytes],
) -> None:
    """Request them; `sealed` seals what a delivery (by id) says. One already there stays as is."""
    if not letters:
        return
    await store.add(connection, [each.delivery for each in letters])
    bodies = {each.delivery.id: sealed(each.delivery.id, each.says) for each in letters}
    await store.put_bodies(connection, bodies)
