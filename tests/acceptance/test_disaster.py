"""The drill: all disks are lost, and a backup, the master key and clients' retries are left."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.support.platform import Platform, running


def _messages(first: int, last: int) -> list[dict[str, Any]]:
    return [
        {"type": "track", "userId": f"u{n % 20}", "event": "E", "messageId": f"{n}"}
        for n in range(first, last)
    ]


def _send(platform: Platform, messages: list[dict[str, Any]]) -> None:
    assert platform.send("/v1/batch", {"batch": messages}).status_code == 200


def test_everything_is_lost_but_a_backup_and_the_master_key(tmp_path: Path) -> None:
    backup, lost, anew = (tmp_path / name for name in ("backup", "lost", "anew"))
    lost.mkdir()
    (anew / "data").mkdir(parents=True)
    platform = Platform(lost)
    try:
        platform.start()
        keys = platform.keys
        shutil.copy(lost / "data" / "master.key", tmp_path / "in the safe")
        platform.put("/segments/e", {"name": "e", "where": {"event": "E", "count": {"gte": 15}}})
        _send(platform, _messages(0, 200))
        platform.wait_quiet()
        assert "200 events as of" in platform.command("backup", str(backup))
        _send(platform, _messages(200, 300))
        assert "100 events are new" in platform.command("backup", str(backup))
        _send(platform, _messages(300, 400))
    finally:
        platform.kill()
    shutil.rmtree(lost)

    shutil.copy(tmp_path / "in the safe", anew / "data" / "master.key")
    platform = Platform(anew)
    assert "are whole" in platform.command("backup", "--verify", str(backup))
    assert "300 events as of" in platform.command("restore", str(backup))
    platform.close()
    with running(anew) as again:
        assert again.keys == keys
        _send(again, _messages(250, 400))  # what clients have not been told is stored, and more
        again.wait_quiet()
        status = again.status()
        assert (status["events"], status["profiles"], status["parked"]) == (400, 20, 0)
        assert again.profile("user_id:u7")["events"] == {"E": 20}
        members = again.call("GET", "/segments/e/members").json()["members"]
        assert len(members) == 20
        assert again.command("replay", "--verify").count("equal") == 5
