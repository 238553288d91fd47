"""Every released schema can be brought up to date, and versions work side by side meanwhile."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from cdp import main, migrate
from cdp.db import named
from cdp.instance import Running
from cdp.log.vault import Vault
from cdp.migrate import Migration
from cdp.replay import until_quiet
from cdp.services.server import free_port
from tests.support.backups import api_of, digests, restore
from tests.support.listing import listing
from tests.support.programs import NEXT, THIS, Programs, programs
from tests.support.release import RELEASES
from tests.support.stores import MASTER_KEY, PARTITIONS, Stores

RELEASED = sorted(path.name for path in RELEASES.iterdir())
_SECONDS = 120.0
# Workers that lease a partition of the events, each by a name of its own (`cdp.stream.leases`).
OWNERS = """
    select count(distinct application_name) from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and granted and classid = 52625
"""
LASTS = ("identity", "memberships")  # what does not depend on the code or the time
DECISIONS = """
    select subject, signal, state, at, event, source from decisions order by subject, signal
"""


@pytest.mark.parametrize("release", RELEASED)
def test_migrations_of_a_release_are_never_edited(release: str, stores: Stores) -> None:
    running = stores.empty()
    migrate.migrate(
        running.database_url,
        partitions=PARTITIONS,
        key_check=Vault(bytes.fromhex(MASTER_KEY)).check,
        wanted=Migration(to=release),
    )
    kept = (RELEASES / release / "schema.txt").read_text().splitlines()
    assert listing(running.database_url) == kept


@pytest.mark.parametrize("release", RELEASED)
async def test_an_instance_of_a_release_goes_on_with_todays_code(
    release: str, stores: Stores, tmp_path: Path
) -> None:
    """Its tables as they were, with what was in them; then the migrations since."""
    kept = json.loads((RELEASES / release / "digests.json").read_text())
    target, _ = await restore(stores, RELEASES / release / "backup", tmp_path)
    assert listing(target.database_url) == listing(stores.fresh().database_url)
    async with api_of(target, tmp_path) as api:
        found = await digests(api.instance)
        assert {name: list(found[name]) for name in LASTS} == {name: kept[name] for name in LASTS}
        decided = await api.instance.core.database.rows(named(DECISIONS))
        whole = hashlib.sha256(b"".join(msgspec.msgpack.encode(tuple(row)) for row in decided))
        assert [len(decided), whole.hexdigest()] == kept.pop("consent")
        assert {name: found[name][0] for name in kept} == {
            name: rows for name, (rows, _) in kept.items()
        }
        before = (await api.get("/profiles/user_id:ada"))["events"]
        assert (await api.send("/v1/track", {"userId": "ada", "event": "Later"})).is_success
        await api.settle()
        after = (await api.get("/profiles/user_id:ada"))["events"]
        assert after == {**before, "Later": 1}  # type: ignore[dict-item]
    async with main.replaying(api.instance.settings, target) as replay:
        assert all(each.equal for each in await until_quiet(replay))


class Load(threading.Thread):
    """Sends event after event, as an SDK does: again, elsewhere, until somebody takes it."""

    def __init__(self, key: str, urls: list[str]) -> None:
        super().__init__(name="load", daemon=True)
        self.key, self.urls = key, urls
        self.sent = 0
        self.failures = 0
        self._stop_it = threading.Event()

    def run(self) -> None:
        with httpx.Client(trust_env=False, timeout=10.0) as client:
            while not self._stop_it.wait(0.01):
                number = self.sent
                event = {"userId": f"u{number % 50}", "event": "E", "messageId": f"{number}"}
                if self._taken(client, self.urls[number % len(self.urls)], event):
                    self.sent += 1
                else:
                    self.failures += 1

    def _taken(self, client: httpx.Client, url: str, event: dict[str, Any]) -> bool:
        try:
            headers = {"x-write-key": self.key}
            return client.post(f"{url}/v1/track", json=event, headers=headers).is_success
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        self._stop_it.set()
        self.join()


def until(what: str, reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_a_rolling_upgrade_under_load(running: Running, tmp_path: Path) -> None:
    """Expand, new processes beside old ones, no old ones, contract: nothing is lost or repeated."""
    with (
        programs(running, tmp_path) as commands,
        psycopg.connect(running.database_url, autocommit=True) as database,
    ):

        def asked(query: str) -> Any:
            row = database.execute(query).fetchone()  # type: ignore[call-overload]
            return row[0] if row else None

        assert commands.run("migrate", "--first-keys")[0] == 0
        key = json.loads((tmp_path / "keys.json").read_text())["write_key"]
        old_url, old = _version(commands, THIS)
        load = Load(key, [old_url])
        load.start()
        until("events before", lambda: asked("select count(*) from profiles") == 50)

        assert commands.run("migrate", "--expand", of=NEXT) == (0, "The schema is expanded.\n")
        code, told = commands.run("migrate", of=NEXT)
        assert code == 2
        assert "9002 (Nobody counts the uncollected any more" in told

        new_url, new = _version(commands, NEXT)
        load.urls = [old_url, new_url]
        marked = "select count(*) from profiles where seen_by = 'next'"
        until("the next one's work", lambda: asked(marked))
        until("partitions shared by both", lambda: asked(OWNERS) == 2)
        mark = load.sent
        until("both at work", lambda: load.sent > mark + 100)

        load.urls = [new_url]
        commands.stop(*old)
        assert commands.run("migrate", of=NEXT) == (0, "The schema is up to date.\n")
        code, told = commands.run("scheduler")
        assert code == 2
        assert "of a later version" in told
        mark = load.sent
        until("events after", lambda: load.sent > mark + 100)
        load.stop()
        assert load.failures == 0
        assert asked("select count(*) from events") == load.sent
        code, told = commands.run("replay", "--verify", of=NEXT)
        assert (code, told.count("equal")) == (0, 5)
        assert asked("select count(*) from parked") == 0
        assert asked(marked) == 50
        commands.stop(*new)


def _version(commands: Programs, of: str) -> tuple[str, list[Any]]:
    """An API that answers, a worker and a scheduler of one version."""
    port = free_port()
    parts = [
        commands.start("api", of=of, CDP_PORT=str(port)),
        commands.start("worker", of=of),
        commands.start("scheduler", of=of),
    ]

    def ready() -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    until(f"an API of {of}:\n{commands.log('api', of=of)}", ready)
    return f"http://127.0.0.1:{port}", parts
