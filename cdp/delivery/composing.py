"""What messages are made of beside their templates: the event that began them, and links."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

from activation.composing import Properties
from activation.model import Delivery
from cdp import times
from cdp.db import Connection
from cdp.events import Identifier
from cdp.log import store as log_store
from cdp.log.keyring import Keyring
from cdp.log.vault import Vault
from cdp.preferences import token

_DAYS = 400  # that links work: laws want an unsubscribe link to for 30 days at least


def properties(keyring: Keyring) -> Properties:
    """Of events, from the log; of who was erased there are none."""

    async def read(
        connection: Connection, ids: Collection[bytes]
    ) -> Mapping[bytes, Mapping[str, Any]]:
        records = await log_store.by_id(connection, list(ids))
        opened = await keyring.open_events(connection, records)
        return {each.event.id: each.event.properties for each in opened}

    return read


def links(vault: Vault, base: str) -> Callable[[Delivery, Mapping[str, Any]], Mapping[str, str]]:
    """Of who has an e-mail address: to unsubscribe with one click, and to all their preferences."""

    def made(delivery: Delivery, view: Mapping[str, Any]) -> Mapping[str, str]:
        addresses = view.get("identifiers", {}).get("email", ())
        if not addresses:
            return {}
        who, now = Identifier("email", addresses[0]), times.now()
        ends, about = now + _DAYS * 86_400 * times.SECOND, str(uuid.UUID(bytes=delivery.id))
        leave = token.new(who, now, ends, purpose=delivery.purpose, about=about)
        center = token.new(who, now, ends, about=about)
        return {
            "unsubscribe": f"{base}/preferences/unsubscribe/"
            + token.sealed(leave, "unsubscribe", vault.links),
            "preferences": f"{base}/preferences/"
            + token.sealed(center, "preferences", vault.links),
        }

    return made
