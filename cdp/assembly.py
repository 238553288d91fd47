"""The parts that every process has, put together from settings and what runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import consent.store as consent_store
from cdp import home, keyset
from cdp.cache import Views
from cdp.collect import keys
from cdp.db import Database
from cdp.instance import Running, keep_keys, master_keys, read_keys
from cdp.log.keyring import Keyring
from cdp.log.vault import Vault
from cdp.migrate import born
from cdp.people import People
from cdp.settings import Settings
from profiles import defining
from profiles.shelf import Shelf
from profiles.stage import Profiles

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that every process has."""

    database: Database
    partitions: int
    vault: Vault
    keyring: Keyring
    people: People
    redis_url: str

    async def close(self) -> None:
        """Let go of every connection."""
        await self.people.views.close()
        await self.database.close()


def assemble(
    settings: Settings, running: Running, *, schema: str = "", restoring: bool = False
) -> Core:
    """Put the parts together; `schema` holds projections beside the live ones."""
    url = running.database_url
    vault = keyset.opened(url, master_keys(settings))
    partitions, noted = born(url, key_check=vault.check, restoring=restoring)
    place = home.of(settings.jurisdiction, noted[home.KEY].decode() if home.KEY in noted else None)
    database = Database(url, schema=schema, knows=vault.checks)
    keyring = Keyring(vault)
    shelf = Shelf(keyring.load)
    keyring.also_forget.append(shelf.forget)
    profiles = Profiles(vault.subject, shelf, replaying=bool(schema))
    people = People(keyring, profiles, Views(running.redis_url), place)
    return Core(database, partitions, vault, keyring, people, running.redis_url)


async def seed(core: Core) -> None:
    """The default purposes, where there are none; and whose law holds, by which all stand anew."""
    async with core.database.transaction() as connection:
        await consent_store.seed(connection)
        if await home.note(connection, core.people.home):
            await defining.start_build(
                connection, f"jurisdiction {core.people.home or 'strictest'}"
            )


async def prepare(settings: Settings, core: Core) -> dict[str, str]:
    """The first keys and the default purposes; does nothing where they exist."""
    await seed(core)
    minted = read_keys(settings)
    if minted is None:
        minted = {"write_key": keys.new_write_key(), "api_key": keys.new_api_key()}
        keep_keys(settings, **minted)
    async with core.database.transaction() as connection:
        await keys.add_source(connection, "first", minted["write_key"])
        await keys.add_api_key(connection, "first", minted["api_key"], ["*"])
    return minted
