"""One PostgreSQL and one Valkey per test run; a database of its own for whoever asks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

from cdp.instance import Running
from cdp.log.vault import Vault
from cdp.migrate import migrate
from cdp.services.postgres import Postgres
from cdp.services.valkey import Valkey

MASTER_KEY = "ab" * 32
PLACE = "CA"  # by its law, behaviour is stored and personalisation allowed until somebody objects
PARTITIONS = 4
# No test cuts the power, and hundreds of databases that nobody uses any more are not looked after.
_SPARED = ("fsync", "autovacuum")


@dataclass
class Stores:
    """Real servers; `fresh` gives an empty, migrated database in a tenth of a second."""

    postgres: Postgres
    valkey: Valkey
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def fresh(self) -> Running:
        """A database nobody else uses, and the cache, emptied."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(f"create database {name} template template_cdp")
        with redis.Redis.from_url(self.valkey.url) as cache:
            cache.flushdb()
        return Running(self.url(name), self.valkey.url)

    @property
    def password(self) -> str:
        """Of PostgreSQL's user `cdp`."""
        return str(urlsplit(self.postgres.url).password)

    def empty(self) -> Running:
        """A database without tables."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(f"create database {name}")
        return Running(self.url(name), self.valkey.url)

    def url(self, database: str) -> str:
        return self.postgres.url.rsplit("/", 1)[0] + f"/{database}"


@contextmanager
def started(home: Path) -> Iterator[Stores]:
    """Start both servers, make the template, stop them at the end."""
    postgres, valkey = Postgres(home), Valkey(home)
    try:
        postgres.start()
        valkey.start()
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            for name in _SPARED:
                connection.execute(f"alter system set {name} = off")
            connection.execute("select pg_reload_conf()")
            connection.execute("create database template_cdp")
        stores = Stores(postgres, valkey)
        check = Vault(bytes.fromhex(MASTER_KEY)).check
        migrate(stores.url("template_cdp"), partitions=PARTITIONS, key_check=check)
        yield stores
    finally:
        valkey.close()
        postgres.close()
