"""The SQL of taking in another instance's log: its keys and sources, for as long as that takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cdp.backup.store import Connection, put
from cdp.facts import API_SOURCE

TABLES = {
    "subjects": "create temp table their_subjects (like public.subjects including indexes)",
    "erasures": "create temp table their_erasures (like public.erasures including indexes)",
    "sources": "create temp table their_sources (like public.sources)",
}
_KEYS = "select id, key from their_subjects where id = any(%s)"
_RENEWED = "select subject from their_erasures where subject = any(%s)"
# The same write key is the same source; an unknown one is known from now on.
_ADD = """
    insert into sources (name, key_hash, origins, created_at, revoked_at, retention_days)
    select name, key_hash, origins, created_at, revoked_at, retention_days from their_sources
    on conflict (key_hash) do nothing
"""
_SOURCES = "select t.id, o.id from their_sources t join sources o using (key_hash)"
_UNCOLLECTABLE = "select subject from uncollectable"


def make_room(connection: Connection) -> None:
    """Tables for theirs, until the connection ends: an older backup may lack some."""
    for statement in TABLES.values():
        connection.execute(statement)


def keep(connection: Connection, table: str, names: list[str], blocks: Iterable[bytes]) -> None:
    """Have the rows of a table of theirs at hand until the connection ends."""
    put(connection, f"their_{table}", names, blocks)


def keys(connection: Connection, subjects: Collection[bytes]) -> dict[bytes, bytes]:
    """Their wrapped data keys, as far as they exist."""
    rows = connection.execute(_KEYS, (list(subjects),))
    return {bytes(subject): bytes(key) for subject, key in rows}


def renewed(connection: Connection, subjects: Collection[bytes]) -> set[bytes]:
    """Those that were erased there: their keys, if they have any, open nothing from before."""
    return {bytes(row[0]) for row in connection.execute(_RENEWED, (list(subjects),))}


def sources(connection: Connection) -> dict[int, int]:
    """Our number of each source of theirs."""
    connection.execute(_ADD)
    return {API_SOURCE: API_SOURCE, **dict(connection.execute(_SOURCES).fetchall())}


def uncollectable(connection: Connection) -> list[bytes]:
    """Our subjects whose events may not be stored."""
    return [bytes(row[0]) for row in connection.execute(_UNCOLLECTABLE)]
