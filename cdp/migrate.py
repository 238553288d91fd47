"""Brings the schema up to date, under a lock, and fixes what a new instance is born with."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from cdp.db import normal_url
from cdp.errors import ConfigurationError, StoreUnavailable
from cdp.events import TOPICS

CHANGES = "changes"  # a head of its own: the cursor of the changes feed
_LOCK = 0xCD9

_BIRTH = """
    insert into meta (key, value) values ('partitions', :partitions), ('key_check', :check)
    on conflict (key) do nothing
"""
_TOPIC = """
    insert into {table} (topic, partition)
    select :topic, p from generate_series(0, :count - 1) p on conflict do nothing
"""


def migrate(url: str, *, partitions: int, key_check: bytes) -> int:
    """Run what is missing; returns the number of log partitions the instance has.

    Raises ConfigurationError when the master key is not the one the instance was born with.
    """
    engine = create_engine(normal_url(url))
    try:
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            try:
                _upgrade(connection)
                return _settle(connection, partitions, key_check)
            finally:
                connection.rollback()
                connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": _LOCK})
                connection.commit()
    except OperationalError as error:
        raise StoreUnavailable(f"cannot migrate: {type(error.orig).__name__}") from error
    finally:
        engine.dispose()


def partitions_of(url: str, *, key_check: bytes) -> int:
    """The number of log partitions; ConfigurationError if there is no schema, or another key's."""
    engine = create_engine(normal_url(url))
    try:
        with engine.connect() as connection:
            return _partitions(connection, key_check)
    except ProgrammingError:
        raise ConfigurationError("the database has no schema yet: run `cdp migrate`") from None
    except OperationalError as error:
        raise StoreUnavailable(f"cannot connect: {type(error.orig).__name__}") from error
    finally:
        engine.dispose()


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    root = Path(__file__).resolve().parent.parent / "migrations"
    config.set_main_option("script_location", str(root))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()


def _settle(connection: Connection, partitions: int, key_check: bytes) -> int:
    birth = {"partitions": str(partitions).encode(), "check": key_check}
    connection.execute(text(_BIRTH), birth)
    count = _partitions(connection, key_check)
    for topic in TOPICS:
        for table in ("heads", "checkpoints"):
            statement = text(_TOPIC.format(table=table))
            connection.execute(statement, {"topic": topic, "count": count})
    connection.execute(text(_TOPIC.format(table="heads")), {"topic": CHANGES, "count": 1})
    connection.commit()
    return count


def _partitions(connection: Connection, key_check: bytes) -> int:
    rows = connection.execute(text("select key, value from meta"))
    meta = {key: bytes(value) for key, value in rows}
    if meta["key_check"] != key_check:
        raise ConfigurationError(
            "the master key is not the one this database was created with: "
            "set CDP_MASTER_KEY, or CDP_DATA_DIR to the directory that holds it"
        )
    return int(meta["partitions"])
