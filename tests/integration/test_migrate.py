"""Migrations come once, whole, and wait politely; whoever cannot work with the schema says so."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cdp import assembly, migrate, schema
from cdp.db import NAME
from cdp.errors import ConfigurationError, Conflict
from cdp.instance import Running
from cdp.log.vault import Vault
from cdp.migrate import Migration
from cdp.settings import Settings
from tests.support.listing import listing
from tests.support.next_version import NEXT
from tests.support.programs import NEXT as NEXT_VERSION
from tests.support.programs import Programs, programs
from tests.support.stores import MASTER_KEY, PARTITIONS, Stores

CHECK = Vault(bytes.fromhex(MASTER_KEY)).check
_SECONDS = 30.0


def bring(running: Running, **wanted: object) -> int:
    """Run migrations."""
    return migrate.migrate(
        running.database_url,
        partitions=PARTITIONS,
        key_check=CHECK,
        wanted=Migration(**wanted),  # type: ignore[arg-type]
    )


@pytest.fixture
def commands(running: Running, tmp_path: Path) -> Iterator[Programs]:
    """`cdp …` against a fresh database."""
    with programs(running, tmp_path) as made:
        yield made


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is of the next version."""
    monkeypatch.setattr(schema, "VERSIONS", (*schema.VERSIONS, NEXT))


def test_two_at_once_are_one_after_the_other(stores: Stores, tmp_path: Path) -> None:
    running = stores.empty()
    with programs(running, tmp_path) as commands:
        both = [commands.start("migrate") for _ in range(2)]
        assert [process.wait(_SECONDS) for process in both] == [0, 0]
        assert commands.log("migrate").count("The schema is up to date.") == 2
    template = stores.fresh()
    assert listing(running.database_url) == listing(template.database_url)


def test_one_that_is_killed_leaves_nothing_half_done(
    commands: Programs, running: Running, stores: Stores
) -> None:
    """It is killed while it waits for a lock in the midst of a migration; another one ends it."""
    with psycopg.connect(running.database_url) as other:
        other.execute("lock table profiles in access share mode")
        process = commands.start("migrate", of=NEXT_VERSION)
        _until(
            running, "select from pg_locks where not granted and relation = 'profiles'::regclass"
        )
        process.kill()
        process.wait()
        assert migrate.fit(running.database_url).revision == schema.head()
        other.rollback()
    assert commands.run("migrate", of=NEXT_VERSION)[0] == 0
    assert migrate.fit(running.database_url).revision == "9002"


def test_one_that_waits_for_a_lock_lets_others_pass(commands: Programs, running: Running) -> None:
    """Whoever comes behind it waits no longer than two seconds, and it gets its turn in the end."""
    with psycopg.connect(running.database_url) as other:
        other.execute("lock table profiles in access share mode")
        process = commands.start("migrate", of=NEXT_VERSION)
        _until(
            running, "select from pg_locks where not granted and relation = 'profiles'::regclass"
        )
        with psycopg.connect(running.database_url, autocommit=True) as third:
            third.execute("set statement_timeout = '10s'")
            third.execute("select count(*) from profiles")  # it queued behind the migration
        assert process.poll() is None
        other.rollback()
    assert process.wait(_SECONDS) == 0
    assert "migration_waits" in commands.log("migrate", of=NEXT_VERSION)


def _until(running: Running, found: str) -> None:
    deadline = time.monotonic() + _SECONDS
    with psycopg.connect(running.database_url, autocommit=True) as connection:
        while connection.execute(found).fetchone() is None:  # type: ignore[call-overload]
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_check_tells_what_is_missing(stores: Stores, tmp_path: Path) -> None:
    running = stores.empty()
    with programs(running, tmp_path) as commands:
        code, told = commands.run("migrate", "--check")
        assert code == 1
        assert "missing  0001  expand    The first schema" in told
        assert "no schema yet: run `cdp migrate`" in told
        code, told = commands.run("worker")
        assert code == 2
        assert "the database has no schema yet: run `cdp migrate`" in told
        assert commands.run("migrate")[0] == 0
        code, told = commands.run("migrate", "--check", "--json")
        assert code == 0
        head = schema.head()
        assert json.loads(told) == {"revision": head, "head": head, "missing": [], "problem": ""}
        code, told = commands.run("migrate", "--check", of=NEXT_VERSION)
        assert code == 1
        assert "missing  9001  expand    Which version looked at a profile last" in told
        assert f"the database's schema is {head} and this version needs 9001" in told
        code, told = commands.run("worker", of=NEXT_VERSION)
        assert code == 2
        assert "needs 9001: run `cdp migrate`" in told


def test_code_goes_on_beside_what_only_adds_and_not_after_what_takes_away(
    commands: Programs, running: Running
) -> None:
    assert commands.run("migrate", "--expand", of=NEXT_VERSION)[0] == 0
    assert commands.run("migrate", "--check", "--expand", of=NEXT_VERSION)[0] == 0
    assert commands.run("migrate", "--check", of=NEXT_VERSION)[0] == 1
    code, told = commands.run("migrate", "--check")
    assert code == 0
    assert "A later version has added to the schema; this one works with it." in told
    assert commands.run("migrate")[0] == 0
    assert commands.run("status")[0] == 0
    settings = Settings(data_dir=commands.home, master_key=MASTER_KEY)
    assembly.assemble(settings, running)
    assert commands.run("migrate", of=NEXT_VERSION)[0] == 0
    for command in (("migrate", "--check"), ("migrate",), ("worker",), ("api",)):
        code, told = commands.run(*command)
        assert code == (1 if "--check" in command else 2), told
        assert "9002 took away what it needs: start the later version" in told


@pytest.mark.usefixtures("next_version")
def test_what_takes_away_waits_until_nobody_needs_it(running: Running) -> None:
    bring(running, only_expand=True)
    with psycopg.connect(running.database_url, application_name=NAME, autocommit=True):
        with pytest.raises(Conflict, match="such processes hold 1 connections: end them first"):
            bring(running)
        assert migrate.fit(running.database_url).revision == "9001"
    with psycopg.connect(running.database_url, application_name="cdp 9002", autocommit=True):
        bring(running)
    assert migrate.fit(running.database_url).revision == "9002"


@pytest.mark.usefixtures("next_version")
def test_an_addition_behind_what_takes_away_cannot_come_alone(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = (NEXT / "9001_seen_by.py").read_text().replace('"9001"', '"9003"')
    (tmp_path / "9003_later.py").write_text(later)
    monkeypatch.setattr(schema, "VERSIONS", (*schema.VERSIONS, tmp_path))
    with pytest.raises(Conflict, match="9003 comes after 9002, which takes away"):
        bring(running, only_expand=True)
    assert migrate.fit(running.database_url).revision == "9001"


@pytest.mark.usefixtures("next_version")
def test_a_new_database_gets_everything_at_once(stores: Stores) -> None:
    running = stores.empty()
    bring(running, only_expand=True)
    assert migrate.fit(running.database_url).revision == "9002"


def test_another_master_key_is_refused(running: Running) -> None:
    with pytest.raises(ConfigurationError, match="the master key is not the one"):
        migrate.migrate(running.database_url, partitions=1, key_check=b"another")
