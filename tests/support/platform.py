"""A whole platform as a person runs it: `cdp up` in a process of its own, public doors only."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil

from cdp.services.server import die_with_parent
from tests.support.stores import PLACE

_START_SECONDS = 90.0
_QUIET_SECONDS = 60.0
_STOP_SECONDS = 45.0
_COMMAND_SECONDS = 60.0
_POLL_SECONDS = 0.1
_BUSY = ("cdp_lag", "cdp_building", "cdp_pending")  # gauges that are 0 when nothing is left to do


class Platform:
    """`cdp up` with a data directory and a port of its own; `settings` are `CDP_*` variables."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.port = free_ports(1)  # none that a connection of somebody's might get meanwhile
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
        self.environment |= {"CDP_DATA_DIR": str(home / "data"), "CDP_PORT": str(self.port)}
        self.environment |= {
            "CDP_JURISDICTION": PLACE,
            "PYTHONDONTWRITEBYTECODE": "",
        }  # imports are slow
        self.environment |= settings
        self.client = httpx.Client(base_url=self.url, timeout=30.0, trust_env=False)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it takes events; AssertionError with its log if it does not."""
        with (self.home / "platform.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cdp", "up"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509
            )
        self.wait_ready(_START_SECONDS)

    def stop(self) -> None:
        """End it as an operator does; AssertionError if it fails, or leaves a process behind."""
        assert self._process is not None
        children = self.processes()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        left = [child for child in children if _runs(child)]
        for child in left:
            child.kill()
        assert (code, left) == (0, []), f"exit code {code}, left running: {left}\n{self.log()}"

    def kill(self) -> None:
        """End it as a power cut does, and let go of it."""
        if self._process is not None:
            for child in self.processes():
                child.kill()
            self._process.kill()
            self._process.wait()
        self.close()

    def alive(self) -> bool:
        """Whether `cdp up` itself still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of `cdp up` itself."""
        assert self._process is not None
        return self._process.pid

    def close(self) -> None:
        """Let go of the connections."""
        self.client.close()

    def processes(self, words: str = "") -> list[psutil.Process]:
        """What runs below `cdp up`; with words like `cdp worker`, whose command line has them."""
        if not self.alive():
            return []
        assert self._process is not None
        below = psutil.Process(self._process.pid).children(recursive=True)
        return [each for each in below if words in command_line(each)]

    def log(self) -> str:
        """The end of what it printed."""
        return (self.home / "platform.log").read_text(errors="replace")[-4000:]

    def command(self, *arguments: str, seconds: float = _COMMAND_SECONDS) -> str:
        """What `cdp ARGUMENTS` prints, run beside the platform."""
        done = subprocess.run(
            [sys.executable, "-m", "cdp", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"cdp {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """`cdp ARGUMENTS`, begun beside the platform; to be ended by who asks for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "cdp", *arguments],
            env=self.environment | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    @cached_property
    def keys(self) -> dict[str, str]:
        """`write_key` and `api_key`, minted at the first start."""
        return dict(json.loads(self.command("keys", "show", "--json")))

    def new_write_key(self, name: str) -> str:
        """The write key of one more source."""
        return str(json.loads(self.command("keys", "create", name, "--json"))["key"])

    def status(self) -> dict[str, Any]:
        """How it is doing, by `cdp status --json`."""
        return dict(json.loads(self.command("status", "--json")))

    def send(self, path: str, message: object, **headers: str) -> httpx.Response:
        """POST JSON to the collector with the first write key, or the one in the headers."""
        headers = {"x-write-key": self.keys["write_key"], **headers}
        return self.client.post(path, json=message, headers=headers)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request to the management API, below /api/v1, with the first API key."""
        headers = {"authorization": f"Bearer {self.keys['api_key']}"}
        headers |= options.pop("headers", {})
        return self.client.request(method, f"/api/v1{path}", headers=headers, **options)

    def get(self, path: str) -> httpx.Response:
        """A request without a key."""
        return self.client.get(path)

    def put(self, path: str, definition: dict[str, Any]) -> dict[str, Any]:
        """Define something below /api/v1, like `/segments/buyers`."""
        answer = self.call("PUT", path, json=definition)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def profile(self, ref: str) -> dict[str, Any]:
        """A person's profile by `namespace:value`; empty when nobody has been seen as that."""
        answer = self.call("GET", f"/profiles/{ref}")
        assert answer.status_code in {200, 404}, answer.text
        return dict(answer.json()) if answer.status_code == 200 else {}

    def gauges(self) -> dict[str, float]:
        """What `/metrics` tells, in no time; `cdp_lag{topic="events"}` is one of the names."""
        told = self.get("/metrics").raise_for_status().text
        pairs = (line.rsplit(" ", 1) for line in told.splitlines() if line[:1] != "#")
        return {name: float(value) for name, value in pairs}

    def wait_ready(self, seconds: float = _QUIET_SECONDS) -> None:
        """Until the API has its stores, after one of them was gone."""
        self.wait_for(self._ready, seconds, "readiness")

    def wait_quiet(self, seconds: float = _QUIET_SECONDS) -> None:
        """Until every event, touched profile and delivery is handled and every build is done."""
        self.wait_for(self._quiet, seconds, "quiet")

    def wait_for(self, reached: Callable[[], bool], seconds: float, what: str) -> None:
        """Until a condition holds; AssertionError if it does not in time, or the platform ends."""
        deadline = time.monotonic() + seconds
        while not reached():
            assert self._process is not None
            assert self._process.poll() is None, f"the platform has ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"no {what} in {seconds} s:\n{self.log()}"
            time.sleep(_POLL_SECONDS)

    def _ready(self) -> bool:
        try:
            return self.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def _quiet(self) -> bool:
        busy = [value for name, value in self.gauges().items() if name.startswith(_BUSY)]
        assert len(busy) >= len(_BUSY)
        return not any(busy)


def free_ports(count: int) -> int:
    """The first of so many in a row that nobody uses."""
    while True:
        first = random.randrange(20_000, 30_000)
        try:
            for port in range(first, first + count):
                with closing(socket.socket()) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> str:
    """Empty if it has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has ended meanwhile
        return ""


@contextmanager
def running(home: Path, **settings: str) -> Iterator[Platform]:
    """A platform for as long as the block lasts; nothing of it is left then."""
    platform = Platform(home, **settings)
    try:
        platform.start()
    except BaseException:
        platform.kill()
        raise
    try:
        yield platform
    finally:
        platform.stop()
        platform.close()
