"""The SQL of a restore: an empty database to begin with, and a whole instance at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from psycopg import sql

from cdp.backup.store import Connection, heads
from cdp.backup.tables import LOGS, WHOLE
from cdp.errors import ConfigurationError
from cdp.events import EVENTS
from cdp.migrate import RESTORE

__all__ = ["Connection", "heads"]

# Even of an instance that nobody has used yet these have rows.
_BORN = ("api_keys", "checkpoints", "definitions", "heads", "purposes", "sources")

_OTHERS = """
    select count(*) from pg_stat_activity
     where datname = current_database() and application_name ~ '^cdp' and pid <> pg_backend_pid()
"""
_NOTED = "select value from meta where key = %s"
_NOTE = """
    insert into meta (key, value) values (%s, %s)
    on conflict (key) do update set value = excluded.value
"""
_INDEXES = """
    select i.indexdef, i.indexname from pg_indexes i
     where schemaname = 'public' and tablename = 'events'
       and not exists (select from pg_constraint c where c.conname = i.indexname)
"""
_MOVE_HEAD = "update heads set next_offset = %s where topic = %s and partition = %s"
_CAUGHT_UP = """
    update checkpoints c set next_offset = h.next_offset
      from heads h where h.topic = c.topic and h.partition = c.partition
"""
_IDENTITIES = """
    select table_name, column_name from information_schema.columns
     where table_schema = 'public' and is_identity = 'YES' and table_name = any(%s)
"""
# A replay counts for every build what lies before the agents' positions.
_BUILT = """
    insert into build_partitions (build, partition, since, done)
    select b.id, c.partition, c.next_offset, c.next_offset
      from builds b cross join checkpoints c where c.topic = %s
"""
_RULES_ANEW = """
    update identity_rules set state = 'marking', position = '' where state <> 'done'
"""
_KEYS_ANEW = """
    update matching set state = 'filling', position = ''
     where version = (select max(version) from matching) and spec is not null
"""

_TABLES = "select tablename from pg_tables where schemaname = 'public'"


def must_be_alone(connection: Connection) -> None:
    """ConfigurationError while a platform runs on this database."""
    row = connection.execute(_OTHERS).fetchone()
    if row and row[0]:
        raise ConfigurationError(
            f"a platform runs on this database (it holds {row[0]} connections): stop it first"
        )


def noted(connection: Connection) -> bytes | None:
    """How far a restore is; None if none has begun."""
    row = connection.execute(_NOTED, (RESTORE,)).fetchone()
    return bytes(row[0]) if row else None


def note(connection: Connection, state: bytes) -> None:
    """Remember how far a restore is."""
    connection.execute(_NOTE, (RESTORE, state))


def first_filled(connection: Connection) -> str:
    """A table that has rows though nobody has used the instance; empty if there is none."""
    there = {row[0] for row in connection.execute(_TABLES)}  # an older schema has fewer
    for table in (*(log.table for log in LOGS), *WHOLE):
        if table in there and table not in _BORN:
            query = sql.SQL("select exists (select from {})").format(sql.Identifier(table))
            row = connection.execute(query).fetchone()
            if row and row[0]:
                return table
    return ""


def log_indexes(connection: Connection) -> list[str]:
    """What makes the log's indexes, but for its primary key."""
    return [row[0] for row in connection.execute(_INDEXES)]


def make_room(connection: Connection, *, keep: Collection[str]) -> None:
    """Empty what even a new instance has, and take the log's indexes off: one pass is faster."""
    born = [table for table in WHOLE if table in _BORN and table not in keep]
    tables = sql.SQL(", ").join(map(sql.Identifier, born))
    connection.execute(sql.SQL("truncate {} cascade").format(tables))
    for _, name in connection.execute(_INDEXES).fetchall():
        connection.execute(sql.SQL("drop index {}").format(sql.Identifier(name)))


def clear(connection: Connection, table: str) -> None:
    """Empty what a new instance is born with: migrations bring it back when a restore goes on."""
    if table in _BORN:
        connection.execute(sql.SQL("delete from {}").format(sql.Identifier(table)))


def move_heads(connection: Connection, topic: str, ends: Mapping[int, int]) -> None:
    """Note where each partition ends now."""
    for partition, end in ends.items():
        connection.execute(_MOVE_HEAD, (end, topic, partition))


def settle_heads(connection: Connection, topic: str, end: int) -> None:
    """In another number of partitions: nothing is under way, and one log has none."""
    move_heads(connection, topic, {0: end})
    connection.execute(_CAUGHT_UP)


def finish(connection: Connection, indexes: Collection[str]) -> None:
    """Indexes, sequences, and what is derived from where the agents are."""
    connection.execute("set local maintenance_work_mem = '256MB'")
    for definition in indexes:
        connection.execute(definition)
    for table, column in connection.execute(_IDENTITIES, ([*WHOLE],)).fetchall():
        query = sql.SQL(
            "select setval(pg_get_serial_sequence({}, {}), coalesce(max({}), 0) + 1, false) from {}"
        ).format(
            sql.Literal(table), sql.Literal(column), sql.Identifier(column), sql.Identifier(table)
        )
        connection.execute(query)
    connection.execute("delete from build_partitions")
    connection.execute(_BUILT, (EVENTS,))
    connection.execute(_RULES_ANEW)
    connection.execute(_KEYS_ANEW)
