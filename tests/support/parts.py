"""Parts of the platform as a process manager runs them: one command each, ended by SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import httpx

from cdp.instance import Running
from cdp.services.server import die_with_parent, free_port
from tests.support.stores import MASTER_KEY, PLACE

_START_SECONDS = 60.0
_PATIENCE_SECONDS = 30.0  # far more than ending takes; after it a process manager kills
_CDP = (sys.executable, "-m", "cdp")


class Part:
    """One process with nothing of this one's environment but where programs are."""

    def __init__(
        self,
        home: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        cdp: Sequence[str] = _CDP,
    ) -> None:
        self.name = arguments[0]
        self.environment = {"PATH": os.environ["PATH"], **environment}
        self.cdp = cdp
        self._log = home / f"{self.name}.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*cdp, *arguments],
                cwd=home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: die_with_parent(signal.SIGKILL),  # noqa: PLW1509
            )

    def handles_signals(self) -> bool:
        """Whether it is far enough to end in its own way, as the kernel knows."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    def log(self) -> str:
        """The end of what it printed."""
        return self._log.read_text(errors="replace")[-4000:]

    def is_well(self, check: Sequence[str]) -> bool:
        """What a health check says, of `cdp` and these arguments, run beside it."""
        assert self.process.poll() is None, f"{self.name} has ended:\n{self.log()}"
        done = subprocess.run(
            [*self.cdp, *check], env=self.environment, capture_output=True, check=False
        )
        assert done.returncode in {0, 1}, done.stderr
        return done.returncode == 0

    def until_well(self, check: Sequence[str]) -> None:
        """Until its health check says so; AssertionError with its log if it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_well(check):
            assert time.monotonic() < deadline, f"{self.name} is not well:\n{self.log()}"
            time.sleep(0.1)

    def until_logged(self, words: str) -> None:
        """Until it has printed this."""
        deadline = time.monotonic() + _START_SECONDS
        while words not in self.log():
            assert self.process.poll() is None, f"{self.name} has ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"{self.name} does not say {words}:\n{self.log()}"
            time.sleep(0.05)

    def run(self) -> int:
        """Wait for its own end; its exit code."""
        return self.process.wait(_START_SECONDS)

    def end(self) -> float:
        """Ask it to end, as a process manager does; the seconds that took, if it ended well."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} does not end:\n{self.log()}") from None
        assert code == 0, f"{self.name} ended with {code}:\n{self.log()}"
        return time.monotonic() - begun

    def kill(self) -> None:
        """End it whatever state it is in."""
        self.process.kill()
        self.process.wait()


class Parts:
    """The parts of one platform over given stores; nothing of them is left after the block."""

    def __init__(self, home: Path, running: Running, cdp: Sequence[str] = _CDP) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **running.environment(),
            "CDP_DATA_DIR": "/proc/nowhere",  # where nobody can write
            "CDP_MASTER_KEY": MASTER_KEY,
            "CDP_JURISDICTION": PLACE,
            "CDP_PORT": str(self.port),
        }
        self._cdp = cdp
        self._started: list[Part] = []

    def __enter__(self) -> Self:
        self.command("migrate")
        return self

    def __exit__(self, *_: object) -> None:
        if "client" in vars(self):
            self.client.close()
        for part in self._started:
            part.kill()

    def start(self, name: str) -> Part:
        """A part, and for the API wait until it is ready."""
        part = Part(self.home, [name], self.environment, self._cdp)
        self._started.append(part)
        if name == "api":
            part.until_well(["health"])
        self.wait_for(part.handles_signals, f"start of {name}")
        return part

    def command(self, *arguments: str) -> str:
        """What `cdp ARGUMENTS` prints."""
        done = subprocess.run(
            [*self._cdp, *arguments],
            env={"PATH": os.environ["PATH"], **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @cached_property
    def headers(self) -> dict[str, str]:
        """Of a request to collector or API."""
        write = self.command("keys", "create", "a site")
        operator = self.command("keys", "create", "an operator", "--api")
        return {"x-write-key": write, "authorization": f"Bearer {operator}"}

    @cached_property
    def client(self) -> httpx.Client:
        """That speaks to the API."""
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=20, trust_env=False)

    def status(self) -> dict[str, Any]:
        """As `cdp status` tells it."""
        return dict(json.loads(self.command("status", "--json")))

    def handled(self) -> int:
        """How many events the agents have handled."""
        lines = self.client.get("/metrics").raise_for_status().text.splitlines()
        gauges = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return int(float(gauges["cdp_events"]) - float(gauges['cdp_lag{topic="events"}']))

    def put(self, path: str, definition: dict[str, Any]) -> None:
        """Define something below /api/v1."""
        answer = self.client.put(f"/api/v1{path}", json=definition)
        assert answer.is_success, answer.text

    def profile(self, ref: str) -> dict[str, Any]:
        """A person's profile."""
        return dict(self.client.get(f"/api/v1/profiles/{ref}").raise_for_status().json())

    def wait_quiet(self) -> None:
        """Until all is handled."""
        self.wait_for(lambda: not any(self.status()["lag"].values()), "quiet")

    def wait_for(self, reached: Callable[[], bool], what: str) -> None:
        """Until a condition holds; AssertionError if it does not in time."""
        deadline = time.monotonic() + _START_SECONDS
        while not reached():
            assert time.monotonic() < deadline, f"no {what}"
            time.sleep(0.1)
