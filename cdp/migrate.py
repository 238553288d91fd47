"""Brings the schema up to date, under a lock, and fixes what a new instance is born with."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from cdp import schema
from cdp.db import normal_url
from cdp.errors import ConfigurationError, Conflict, StoreUnavailable
from cdp.events import TOPICS
from cdp.locks import Lock
from cdp.schema import CONTRACT, EXPAND, Fit, Step

T = TypeVar("T")
CHANGES = "changes"  # a head of its own: the cursor of the changes feed
RESTORE = "restore"  # in `meta` while a restore has not come to its end
_LOCK = {"lock": int(Lock.MIGRATIONS)}
_LOCK_TIMEOUT = "2s"  # whoever comes to a table after us waits behind us, so we do not wait long
_LOCK_TRIES = 30
_PAUSE_SECONDS = 1.0
_TURN_SECONDS = 0.1
_LOCKED = "55P03"  # lock_not_available

_BIRTH = """
    insert into meta (key, value) values ('partitions', :partitions), ('key_check', :check)
    on conflict (key) do nothing
"""
_TOPIC = """
    insert into {table} (topic, partition)
    select :topic, p from generate_series(0, :count - 1) p on conflict do nothing
"""
_CONTRACTED = """
    insert into meta (key, value) values ('contracted', :revision)
    on conflict (key) do update set value = excluded.value
"""
# Every process of ours says in its connections' name up to which migration it knows.
_OLDER = """
    select count(*) from pg_stat_activity
     where datname = current_database() and application_name ~ '^cdp \\d{4}( |$)'
       and substr(application_name, 5, 4) < :revision
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Migration:
    """What is to be run: all that is missing, only what expands, or up to one migration."""

    only_expand: bool = False
    to: str = ""


def migrate(url: str, *, partitions: int, key_check: bytes, wanted: Migration | None = None) -> int:
    """Run what is missing; returns the number of log partitions the instance has.

    Raises ConfigurationError when the master key is not the one the instance was born with, or a
    later version has migrated it; Conflict while processes run that what is missing would break.
    """
    engine = create_engine(normal_url(url))
    try:
        with engine.connect() as connection:
            _take_turn(connection)
            connection.execute(text(f"set lock_timeout = '{_LOCK_TIMEOUT}'"))
            connection.commit()
            try:
                _upgrade(connection, wanted or Migration())
                return _settle(connection, partitions, key_check)
            finally:
                connection.rollback()
                connection.execute(text("select pg_advisory_unlock(:lock)"), _LOCK)
                connection.commit()
    except OperationalError as error:
        raise StoreUnavailable(f"cannot migrate: {type(error.orig).__name__}") from error
    finally:
        engine.dispose()


def _take_turn(connection: Connection) -> None:
    """One at a time. An index made concurrently would wait for whoever waits in a statement."""
    taken = text("select pg_try_advisory_lock(:lock)")
    while not connection.execute(taken, _LOCK).scalar_one():
        connection.commit()
        time.sleep(_TURN_SECONDS)


class Born(NamedTuple):
    """What an instance is for good, and what it notes about itself."""

    partitions: int  # of the log
    noted: Mapping[str, bytes]


def born(url: str, *, key_check: bytes, restoring: bool = False) -> Born:
    """What stands in the database of the instance itself.

    ConfigurationError if this code cannot work with the schema, if the master key is another, or
    while a restore has not come to its end, unless that is what asks.
    """

    def read(connection: Connection) -> Born:
        found = _fit(connection)
        if found.problem:
            raise ConfigurationError(found.problem)
        return _born(connection, key_check, restoring=restoring)

    return asked(url, read)


def fit(url: str) -> Fit:
    """How the schema that is there stands to this code."""
    return asked(url, _fit)


def is_restoring(url: str) -> bool:
    """Whether a restore has not come to its end."""
    found = text("select exists (select from meta where key = :key)")
    return asked(url, lambda c: bool(c.execute(found, {"key": RESTORE}).scalar_one()))


def asked(url: str, ask: Callable[[Connection], T]) -> T:
    """An answer from a connection of its own; StoreUnavailable if there is none to be had."""
    engine = create_engine(normal_url(url))
    try:
        with engine.connect() as connection:
            return ask(connection)
    except OperationalError as error:
        raise StoreUnavailable(f"cannot connect: {type(error.orig).__name__}") from error
    finally:
        engine.dispose()


def _fit(connection: Connection) -> Fit:
    try:
        revision = connection.execute(text("select version_num from alembic_version")).scalar()
        found = connection.execute(text("select value from meta where key = 'contracted'"))
        contracted = bytes(found.scalar() or b"").decode()
    except ProgrammingError:
        connection.rollback()
        revision, contracted = "", ""
    return schema.fit(revision or "", contracted, schema.steps())


def _upgrade(connection: Connection, wanted: Migration) -> None:
    found = _fit(connection)
    if found.newer and found.problem:
        raise ConfigurationError(found.problem)
    only_expand = wanted.only_expand and bool(found.revision)  # a new one has no older processes
    left = [each for each in found.missing if each.revision <= (wanted.to or found.head)]
    while left:
        together = list(takewhile(lambda each: each.phase == EXPAND, left)) or left[:1]
        if together[0].phase == CONTRACT:
            if only_expand:
                added = [each.revision for each in left if each.phase == EXPAND]
                if added:
                    raise Conflict(
                        f"{added[0]} comes after {left[0].revision}, which takes away what older "
                        "versions need: end their processes, and run `cdp migrate` without --expand"
                    )
                return
            _nobody_older(connection, together[0])
        _run(connection, together)
        left = left[len(together) :]


def _nobody_older(connection: Connection, step: Step) -> None:
    count = connection.execute(text(_OLDER), {"revision": step.revision}).scalar_one()
    connection.rollback()
    if count:
        raise Conflict(
            f"{step.revision} ({step.title}) takes away what processes of an older version need, "
            f"and such processes hold {count} connections: end them first"
        )


def _run(connection: Connection, steps: Sequence[Step]) -> None:
    """Each in its transaction; a lock that is not to be had is tried for again."""
    waits: Counter[Step] = Counter()
    while not _applied(connection, steps):
        step = _fit(connection).missing[0]
        waits[step] += 1
        if waits[step] == _LOCK_TRIES:
            raise Conflict(
                f"{step.revision} ({step.title}) did not get its lock in {_LOCK_TRIES} tries: "
                "an old transaction in pg_stat_activity holds one of its tables"
            )
        log.warning("migration_waits", revision=step.revision, attempt=waits[step])
        time.sleep(_PAUSE_SECONDS)


def _applied(connection: Connection, steps: Sequence[Step]) -> bool:
    """By one call of Alembic, which reads all files at each; False if one had to wait too long."""
    from alembic import command
    from alembic.config import Config

    def applied(**told: Any) -> None:
        if steps[0].phase == CONTRACT:  # then it is the only one
            connection.execute(text(_CONTRACTED), {"revision": steps[0].revision.encode()})

    config = Config()
    config.set_main_option("script_location", str(schema.VERSIONS[0].parent))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(str, schema.VERSIONS)))
    config.attributes.update(connection=connection, applied=applied)
    connection.rollback()  # Alembic begins and ends transactions where it finds none
    try:
        command.upgrade(config, steps[-1].revision)
        connection.commit()
    except OperationalError as error:
        connection.rollback()
        if getattr(error.orig, "sqlstate", None) != _LOCKED:
            raise
        return False
    return True


def _settle(connection: Connection, partitions: int, key_check: bytes) -> int:
    birth = {"partitions": str(partitions).encode(), "check": key_check}
    connection.execute(text(_BIRTH), birth)
    count = _born(connection, key_check, restoring=True).partitions
    for topic in TOPICS:
        for table in ("heads", "checkpoints"):
            statement = text(_TOPIC.format(table=table))
            connection.execute(statement, {"topic": topic, "count": count})
    connection.execute(text(_TOPIC.format(table="heads")), {"topic": CHANGES, "count": 1})
    connection.commit()
    return count


def _born(connection: Connection, key_check: bytes, *, restoring: bool) -> Born:
    rows = connection.execute(text("select key, value from meta"))
    meta = {key: bytes(value) for key, value in rows}
    if meta["key_check"] != key_check:
        raise ConfigurationError(
            "the master key is not the one this database was created with: "
            "set CDP_MASTER_KEY, or CDP_DATA_DIR to the directory that holds it"
        )
    if RESTORE in meta and not restoring:
        raise ConfigurationError(
            "a restore into this database has not come to its end: run the same `cdp restore` again"
        )
    return Born(int(meta["partitions"]), meta)
