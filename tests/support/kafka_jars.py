"""The jars of Apache Kafka for tests, from Maven Central."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

_POM = Path(__file__).parents[1] / "kafka" / "pom.xml"
_COPY = ("-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", "-DincludeScope=runtime")
_DOWNLOAD_SECONDS = 600
_OLDEST_JAVA = 17
_AWAY = re.compile(r"Could not (transfer|resolve)|Unknown host|Network is unreachable|timed out")


def jars() -> Path:
    """The jars, downloaded once per user; skips where they cannot be had."""
    _need_java()
    digest = hashlib.sha256(_POM.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cdp-tests"
    cache.mkdir(parents=True, exist_ok=True)
    found = cache / f"kafka-{digest}"
    with (cache / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes want the same
        if not found.exists():
            _download(found)
    return found


def _need_java() -> None:
    if shutil.which("java") is None:
        pytest.skip("no java on this machine, which Apache Kafka runs on")
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        pytest.skip(f"Apache Kafka needs Java {_OLDEST_JAVA} or newer; here is {told[:40]!r}")


def _download(to: Path) -> None:
    if shutil.which("mvn") is None:
        pytest.skip("no mvn on this machine, which fetches Apache Kafka")
    draft = to.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    done = subprocess.run(
        ["mvn", *_COPY, f"-DoutputDirectory={draft}"],
        capture_output=True,
        text=True,
        timeout=_DOWNLOAD_SECONDS,
        check=False,
    )
    if done.returncode and _AWAY.search(done.stdout):
        pytest.skip("no Maven Central to fetch Apache Kafka from")
    assert done.returncode == 0, done.stdout
    draft.rename(to)
