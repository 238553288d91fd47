"""Finds the refused messages that name somebody: they belong to no subject, and have to be read."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from cdp.collect.visits import Kept
from cdp.db import Database, named
from cdp.events import Identifier
from cdp.log import quarantine
from cdp.log.quarantine import Quarantined
from cdp.log.vault import Vault
from cdp.privacy.ledgers import texts
from identity.identifiers import normalised

_PAGE = 500
_TELLING = 6  # characters of a value that is looked for in what is no JSON
_DROP = named("delete from quarantine where id = any(:ids)")


async def drop(database: Database, vault: Vault, people: Collection[Identifier]) -> int:
    """Delete what names one of these identifiers and was not taken yet; returns how many."""
    after, gone = 0, 0
    while people:
        async with database.transaction() as connection:
            page = await quarantine.listed(connection, vault, after=after, limit=_PAGE)
            ids = [each.id for each in page if names(each, people)]
            if ids:
                gone += (await connection.execute(_DROP, {"ids": ids})).rowcount
        if len(page) < _PAGE:
            break
        after = page[-1].id
    return gone


def names(quarantined: Quarantined, people: Collection[Identifier]) -> bool:
    """Whether a refused message has one of these anywhere in it.

    In JSON a text must be the identifier, however it is written there; in anything else an
    identifier long enough to tell somebody must stand as a word.
    """
    kept = msgspec.msgpack.decode(quarantined.refusal.body, type=Kept)
    wanted = set(people)
    if normalised("anonymous_id", kept.anonymous_id) in wanted:
        return True
    try:
        said = [msgspec.json.decode(kept.raw), kept.envelope]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        written = kept.raw.decode("utf-8", "replace").lower()
        long = (each.value.lower() for each in people if len(each.value) >= _TELLING)
        return any(re.search(rf"(?<!\w){re.escape(each)}(?!\w)", written) for each in long)
    namespaces = {each.namespace for each in wanted}
    return any(
        normalised(namespace, text) in wanted for text in texts(said) for namespace in namespaces
    )
