"""A change made at the command line: one transaction, with its entry in the audit log."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.audit import Entry
    from cdp.db import Connection
    from cdp.instance import Running
    from cdp.log.vault import Vault


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Connection, Vault]]:
    """A transaction, and what the audit log's chain is made with."""
    from cdp import instance

    settings = Settings.from_env()
    with instance.services(settings) as running:
        async with _transaction(settings, running) as (connection, vault):
            yield connection, vault


@asynccontextmanager
async def _transaction(
    settings: Settings, running: Running
) -> AsyncIterator[tuple[Connection, Vault]]:
    from cdp import instance, keyset
    from cdp.db import Database
    from cdp.migrate import born

    vault = keyset.opened(running.database_url, instance.master_keys(settings))
    born(running.database_url, key_check=vault.check)  # the key fits
    database = Database(running.database_url, knows=vault.checks)
    try:
        async with database.transaction() as connection:
            yield connection, vault
    finally:
        await database.close()


async def noted(settings: Settings, running: Running, action: str, target: str = "") -> None:
    """An entry alone, for work that is more than one transaction."""
    async with _transaction(settings, running) as (connection, vault):
        await note(connection, vault, action, target)


async def note(connection: Connection, vault: Vault, action: str, target: str = "") -> None:
    """The entry; the last thing in the transaction."""
    from cdp import audit

    await audit.write(connection, vault, [entry(action, target)])


def entry(action: str, target: str = "") -> Entry:
    """Who runs this command, and on which machine."""
    from cdp import audit

    return audit.now_by(f"cli:{_user()}", socket.gethostname(), action, target)


def _user() -> str:
    """By the kernel's word, not the environment's."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
