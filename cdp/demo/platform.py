"""The platform under the demo: the one that runs in its data directory, or one started for it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from cdp.errors import ConfigurationError, ServiceFailed
from cdp.instance import read_keys
from cdp.services.server import die_with_parent, free_port, is_locked
from cdp.settings import Settings

_START_SECONDS = 90.0
_STOP_SECONDS = 45.0
_DEFAULTS = Settings()


class Home(NamedTuple):
    """Where the platform answers, and its keys."""

    url: str
    write_key: str
    api_key: str
    started: bool  # for the demo, and ends with it


def own(settings: Settings) -> Settings:
    """The demo stays out of a user's own data: without CDP_DATA_DIR it has a directory apart."""
    if settings.data_dir != _DEFAULTS.data_dir:
        return settings
    return dataclasses.replace(settings, data_dir=_DEFAULTS.data_dir / "demo")


@contextmanager
def running(settings: Settings) -> Iterator[Home]:
    """A platform in the demo's data directory, for as long as the block lasts."""
    if is_locked(settings.data_dir / "postgres18"):
        url = settings.base_url
        if not _is_ready(url):
            raise ConfigurationError(
                f"a platform runs in {settings.data_dir}, but does not answer at {url}: "
                "set CDP_HOST and CDP_PORT as it has them"
            )
        yield _home(settings, url, started=False)
        return
    if settings.data_dir == own(_DEFAULTS).data_dir:
        shutil.rmtree(settings.data_dir, ignore_errors=True)  # a demo begins at the beginning
    if settings.port in {0, _DEFAULTS.port} and (settings.port == 0 or _is_taken(settings)):
        settings = dataclasses.replace(settings, port=free_port())
    process = _start(settings)
    try:
        _wait_until_ready(settings, process)
        yield _home(settings, settings.base_url, started=True)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(settings: Settings) -> subprocess.Popen[bytes]:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    where = {"CDP_DATA_DIR": str(settings.data_dir), "CDP_PORT": str(settings.port)}
    with _log(settings).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "cdp", "up"],
            env={"CDP_JURISDICTION": "CA", **os.environ, **where},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is ours to pass on
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509
        )


def _wait_until_ready(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _is_ready(settings.base_url):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = _log(settings).read_text(errors="replace")[-800:]
            raise ServiceFailed(f"the platform did not start; {_log(settings)} ends with\n{tail}")
        time.sleep(0.1)


def _log(settings: Settings) -> Path:
    return settings.data_dir / "demo.log"


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=2.0, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _is_taken(settings: Settings) -> bool:
    try:
        httpx.get(settings.base_url, timeout=2.0, trust_env=False)
    except httpx.ConnectError:
        return False
    except httpx.TransportError:
        return True
    return True


def _home(settings: Settings, url: str, *, started: bool) -> Home:
    keys = read_keys(settings)
    if keys is None:
        raise ConfigurationError(f"no keys in {settings.data_dir}")
    return Home(url, keys["write_key"], keys["api_key"], started)
