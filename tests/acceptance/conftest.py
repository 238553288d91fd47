"""One platform for all acceptance tests; each of them brings people and write keys of its own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.platform import Platform, running

SDKS = Path(__file__).parent.parent / "sdks"
_INSTALL_SECONDS = 300
_AWAY = {"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "ETIMEDOUT"}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Everything `cdp up` starts; it serves the browser SDKs where they are installed."""
    home = tmp_path_factory.mktemp("platform")
    with running(home, CDP_SDK_DIR=str(SDKS / "node_modules")) as started:
        yield started


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The JavaScript SDKs at their locked versions; skips where they cannot be had."""
    return installed(SDKS)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's browser."""
    found = shutil.which("chromium")
    return found or pytest.skip("no chromium on this machine")


def installed(home: Path) -> Path:
    """What a directory's lock names, in its `node_modules`."""
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            pytest.skip(f"no {command} on this machine")
    lock = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes want the same
        _install(home)
    finally:
        os.close(lock)
    return home / "node_modules"


def _install(home: Path) -> None:
    wanted = hashlib.sha256((home / "package-lock.json").read_bytes()).hexdigest()
    stamp = home / "node_modules" / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts"],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=False,
    )
    code = re.search(r"error code (\w+)", done.stderr)
    if code and code[1] in _AWAY:
        pytest.skip(f"no package registry to install from: {code[1]}")
    assert done.returncode == 0, done.stderr
    stamp.write_text(wanted)
