"""One command changes the master key of a platform that runs, and people use it meanwhile."""

from __future__ import annotations

import shlex
import threading
from pathlib import Path

import pytest

from tests.support.platform import Platform, running

ADA = {"userId": "ada", "event": "seen"}


class Sending(threading.Thread):
    """Events without a pause, until told to stop; each has to be taken."""

    def __init__(self, platform: Platform) -> None:
        super().__init__()
        self.platform, self.count, self.refused = platform, 0, 0
        self._stop_now = threading.Event()

    def run(self) -> None:
        while not self._stop_now.wait(0.005):
            answer = self.platform.send("/v1/track", ADA | {"userId": f"person-{self.count}"})
            self.refused += not answer.is_success
            self.count += 1

    def end(self) -> None:
        self._stop_now.set()
        self.join()


def keys_of(platform: Platform) -> list[str]:
    return (platform.home / "data" / "master.key").read_text().split()


def test_the_data_directory_s_key_is_changed_under_load(tmp_path: Path) -> None:
    with running(tmp_path, CDP_APIS="2") as platform:
        assert platform.send("/v1/track", ADA).is_success
        platform.wait_quiet()
        (old,) = keys_of(platform)
        before = platform.profile("user_id:ada")
        sending = Sending(platform)
        sending.start()
        try:
            said = platform.command("keys", "rotate-master", seconds=120)
        finally:
            sending.end()
        assert "Nothing needs the old master key any more" in said
        assert sending.refused == 0
        assert sending.count > 50
        (new,) = keys_of(platform)
        assert new != old
        platform.wait_quiet()
        assert platform.status()["parked"] == 0
        assert platform.profile("user_id:ada") == before
        for number in range(0, sending.count, 7):
            assert platform.profile(f"user_id:person-{number}")["events"] == {"seen": 1}
        asked = {"action": "cdp keys rotate-master"}
        entries = platform.call("GET", "/audit", params=asked).json()["entries"]
        assert [each["target"].split()[0] for each in entries] == ["finished", "begun"]
        assert platform.command("audit", "verify").startswith("Whole from 1 to ")
    with running(tmp_path) as platform:  # with the new key alone
        assert platform.profile("user_id:ada")["profile_id"] == before["profile_id"]
        platform.command("replay", "--verify")
    kept = platform.home / "data" / "master.key"
    kept.write_text(old)
    with pytest.raises(AssertionError, match="this is the old one"):
        platform.command("keys", "list")
    kept.unlink()
    (tmp_path / "key").write_text(new)
    platform.environment["CDP_MASTER_KEY_COMMAND"] = shlex.join(["cat", str(tmp_path / "key")])
    assert "first" in platform.command("keys", "list")  # no data directory needs to know it
    with pytest.raises(AssertionError, match="there is only one master key"):
        platform.command("keys", "rotate-master")
