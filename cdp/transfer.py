"""Backups and restores from the settings to the last word: what `cdp.main` is for processes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cdp import assembly, entrance, keyset, main, migrate, schema
from cdp.backup import manifest, store
from cdp.backup.manifest import Manifest
from cdp.backup.restoring import Restoring
from cdp.backup.taking import Taking
from cdp.db import Database
from cdp.errors import ConfigurationError
from cdp.instance import (
    MASTER_KEY,
    Running,
    keep_keys,
    keeps_master_key,
    master_keys,
    read_keys,
)
from cdp.log.vault import Vault
from cdp.migrate import Migration
from cdp.privacy import reapplying
from cdp.privacy.reapplying import Erasure
from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.backup.joining import Tally

_KEYS_SEALED_AS = b"first keys"

Progress: TypeAlias = Callable[[str, int, int], None]  # (what, done, of how many)


class Opened(NamedTuple):
    """A backup that our master key opens, and who was erased since it was made."""

    directory: Path
    manifest: Manifest
    gone: Sequence[Erasure] = ()


class Restored(NamedTuple):
    """What a restore came to."""

    replayed: int
    partitions: int
    erased: int = 0  # subjects that were erased after the backup


def back_up(
    settings: Settings, running: Running, directory: Path, progress: Progress
) -> tuple[Manifest, int]:
    """A backup as of now, and how many events are new in it."""
    vault = keyset.opened(running.database_url, master_keys(settings))
    migrate.born(running.database_url, key_check=vault.check)
    first = read_keys(settings)
    keys = vault.system.seal(json.dumps(first).encode(), _KEYS_SEALED_AS) if first else b""
    with store.connected(running.database_url) as connection:
        return Taking(
            connection,
            directory,
            base64.b64encode(keys).decode(),
            lambda done, of: progress("rows of logs", done, of),
        ).run()


def must_open(settings: Settings, directory: Path) -> Opened:
    """The backup; ConfigurationError if our master key is not its, before anything is started."""
    found = manifest.load(directory)
    if keeps_master_key(settings) and not (settings.data_dir / MASTER_KEY).exists():
        raise ConfigurationError(
            "a backup opens with its master key alone, which is not in it: set CDP_MASTER_KEY, or "
            f"copy the file master.key into {settings.data_dir}"
        )
    way_out = "give that one, as CDP_MASTER_KEY or as master.key in CDP_DATA_DIR"
    manifest.must_be_of(found, directory, Vault(*master_keys(settings)).checks, way_out)
    if found.schema > schema.head():
        raise ConfigurationError(
            f"the backup is of a later version ({found.version}, schema {found.schema}; this one "
            f"knows {schema.head()}): restore it with that version"
        )
    return Opened(directory, found)


async def restore(
    settings: Settings,
    running: Running,
    opened: Opened,
    partitions: int | None,
    progress: Progress,
) -> Restored:
    """An instance again: rows, today's schema, what follows from the log without who is gone."""
    directory, found, gone = opened
    check = bytes.fromhex(found.key_check)
    count = _schema(running, found, partitions)
    with store.connected(running.database_url) as connection:
        load = Restoring(
            connection, directory, found, count, lambda done, of: progress("events", done, of)
        )
        load.run()
    migrate.migrate(running.database_url, partitions=count, key_check=check)
    erased = await _erase(running, count, gone)
    async with main.replaying(
        settings,
        running,
        lambda what, done, of: progress("replayed" if what == "events" else what, done, of),
        restoring=True,
    ) as replay:
        replayed = await replay.adopt()
    _keep_keys(settings, found)
    return Restored(replayed, count, erased)


async def _erase(running: Running, partitions: int, gone: Sequence[Erasure]) -> int:
    """Before anything of theirs is read."""
    database = Database(running.database_url)
    try:
        return await reapplying.reapply(database, partitions, gone)
    finally:
        await database.close()


def _schema(running: Running, found: Manifest, partitions: int | None) -> int:
    """The tables as the backup has them, in a database that has none or has just these."""
    url, check = running.database_url, bytes.fromhex(found.key_check)
    there = migrate.fit(url)
    if there.revision not in {"", found.schema} and not migrate.is_restoring(url):
        raise ConfigurationError(
            f"the backup's schema is {found.schema} and the database's {there.revision}: restore "
            "into a database without tables; the restore brings it up to date at the end"
        )
    wanted = partitions or found.partitions
    step = Migration(to=found.schema)
    count = migrate.migrate(url, partitions=wanted, key_check=check, wanted=step)
    if count != wanted:
        raise ConfigurationError(
            f"the database was made with {count} partitions, and the backup has "
            f"{found.partitions}: restore into a database without tables, or give "
            f"--partitions {count}"
        )
    return count


def _keep_keys(settings: Settings, found: Manifest) -> None:
    """The first keys, where a data directory is at home; beside a given database nothing is."""
    if found.keys and not settings.database_url:
        vault = Vault(*master_keys(settings))
        plain = vault.system.open(base64.b64decode(found.keys), _KEYS_SEALED_AS)
        keep_keys(settings, **json.loads(plain))


async def join(
    settings: Settings,
    running: Running,
    directory: Path,
    other_keys: Sequence[bytes],
    progress: Progress,
) -> Tally:
    """Take another instance's log into this one's, going on where a run before was interrupted."""
    from cdp.backup import cursor, theirs
    from cdp.backup.joining import Joining, Ours

    found, vault = manifest.load(directory), Vault(*other_keys)
    manifest.must_be_of(found, directory, vault.checks, "give that one with --master-key-file")
    core = assembly.assemble(settings, running)
    path = settings.data_dir / "imports" / f"log-{found.key_check}.json"
    at = cursor.load(path)

    def is_done(file: str) -> None:
        at.done.append(file)
        at.save(path)

    try:
        with store.connected(running.database_url) as connection:
            if at.backup != found.id:
                left_out = [each.hex() for each in theirs.uncollectable(connection)]
                at = cursor.Cursor(found.id, left_out, at.done)
                at.save(path)
            joining = Joining(
                ours=Ours(
                    core.database,
                    core.keyring,
                    core.partitions,
                    lambda event: entrance.subject_of(core.vault, event),
                    entrance.suppressions(core),
                ),
                connection=connection,
                vault=vault,
                directory=directory,
                manifest=found,
                left_out={bytes.fromhex(each) for each in at.left_out},
                progress=lambda done, of: progress("events", done, of),
            )
            return await joining.run(set(at.done), is_done)
    finally:
        await core.close()
