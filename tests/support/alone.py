"""The parts of a platform alone, each in a process of its own, against stores that run already."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import httpx

from cdp.services.server import die_with_parent, free_port
from tests.support.stores import MASTER_KEY, PLACE

_SECONDS = 90.0  # to start, to stop, for a command
_POLL_SECONDS = 0.1


class Alone:
    """An instance without a supervisor: any number of `cdp api`."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
        self._environment |= {"CDP_DATA_DIR": str(home), "CDP_MASTER_KEY": MASTER_KEY}
        self._environment |= {"CDP_JURISDICTION": PLACE}
        self._environment |= environment

    @classmethod
    @contextmanager
    def migrated(cls, home: Path, environment: Mapping[str, str]) -> Iterator[Alone]:
        """With the first keys."""
        alone = cls(home, environment)
        alone._run("migrate", "--first-keys")
        yield alone

    @cached_property
    def keys(self) -> dict[str, str]:
        """`write_key` and `api_key`, minted at the first start."""
        return dict(json.loads(self._run("keys", "show", "--json")))

    @contextmanager
    def api(self, **settings: str) -> Iterator[str]:
        """A `cdp api` for as long as the block lasts; its address."""
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "cdp", "api"],
            env=self._environment | {"CDP_PORT": str(port)} | settings,
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509
        )
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + _SECONDS
            while not _answers(url):
                assert process.poll() is None, "cdp api has ended"
                assert time.monotonic() < deadline, "cdp api does not answer"
                time.sleep(_POLL_SECONDS)
            yield url
        finally:
            process.terminate()
            process.wait(_SECONDS)

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "cdp", *arguments]
        done = subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
