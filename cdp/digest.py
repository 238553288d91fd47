"""A digest per projection: equal states give equal digests, whatever order events came in."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import TextClause

from cdp.db import Connection, named
from cdp.log.keyring import Keyring
from profiles import fragment, keeping

_BATCH = 1000

# Left out on purpose: `component` is a working name, `since` was decided live, `version` is a time.
_PLAIN = {
    "identity": (
        named("select id, namespace, first_seen, profile from nodes order by id"),
        named("select a, b, kind, first_seen, event from edges order by a, b, kind"),
        named("select a, b, together, at, event from verdicts order by a, b"),
        named("select a, b, probability, at, event from inferences order by a, b"),
    ),
    "consent": (
        named(
            "select subject, signal, state, at, event, source, jurisdiction, notice from decisions"
            " order by subject, signal"
        ),
        named("select subject, code from seen_in order by subject, code"),
    ),
    "profiles": (named("select id, due from profiles order by id"),),
    "memberships": (named("select segment, profile from memberships order by segment, profile"),),
}
_FRAGMENTS = named("select subject, data from fragments order by subject")


class Digest(NamedTuple):
    """What a projection amounts to."""

    projection: str
    rows: int
    sha256: str


async def all_of(
    connection: Connection, keyring: Keyring, progress: Callable[[str], None] = lambda _: None
) -> list[Digest]:
    """The digest of every projection, as the connection's transaction sees it."""
    digests = []
    for projection, statements in _PLAIN.items():
        progress(projection)
        digests.append(await _plain(connection, projection, statements))
    progress("fragments")
    digests.append(await _fragments(connection, keyring))
    return digests


async def _plain(
    connection: Connection, projection: str, statements: tuple[TextClause, ...]
) -> Digest:
    whole, rows = hashlib.sha256(), 0
    for statement in statements:
        async for batch in _batches(connection, statement):
            rows += len(batch)
            for row in batch:
                whole.update(msgspec.msgpack.encode(tuple(row)))
    return Digest(projection, rows, whole.hexdigest())


async def _fragments(connection: Connection, keyring: Keyring) -> Digest:
    """Of what they hold in clear: the same fragment is sealed differently every time."""
    kept = await keeping.counting_all(connection)
    whole, rows = hashlib.sha256(), 0
    async for batch in _batches(connection, _FRAGMENTS):
        boxes = await keyring.load(connection, [subject for subject, _ in batch])
        for subject, data in batch:
            if subject not in boxes:
                continue
            opened = fragment.decode(boxes[subject].unpack(data, fragment.sealed_as(subject)))
            fragment.keep_only(opened, kept)
            whole.update(subject + fragment.encode(opened))
            rows += 1
    return Digest("fragments", rows, whole.hexdigest())


async def _batches(connection: Connection, statement: TextClause) -> AsyncIterator[list[Any]]:
    async with connection.stream(statement) as result:
        async for batch in result.partitions(_BATCH):
            yield list(batch)
