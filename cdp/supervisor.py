"""Runs the parts as child processes, and the embedded servers under them; brings back who dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from cdp.errors import ServiceFailed
from cdp.services.server import Server, die_with_parent

_POLL_SECONDS = 0.1
_STOP_SECONDS = 8.0
_LONGEST_PAUSE = 5.0
_STABLE_SECONDS = 10.0  # alive so long, a part is taken for well
_MOST_RESTARTS = 20  # in a row before all is up: then something is wrong for good

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Restarts:
    """How often in a row something has failed, and when it may be tried again."""

    failures: int = 0
    not_before: float = 0.0

    def due(self) -> bool:
        """Whether the pause is over."""
        return time.monotonic() >= self.not_before

    def failed(self, *, again: bool = True) -> float:
        """Note a failure, the first one unless `again`; returns the pause in seconds."""
        self.failures = self.failures + 1 if again else 0
        pause = min(0.1 * 2 ** min(self.failures, 10), _LONGEST_PAUSE) if self.failures else 0.0
        self.not_before = time.monotonic() + pause
        return pause


@dataclass(slots=True)
class Part:
    """One child: a `cdp` command."""

    name: str
    arguments: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: Restarts = field(default_factory=Restarts)
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Supervisor:
    """Owns children and servers from `run` until it returns; nothing of them is left then.

    What has been up once is brought back for as long as it takes: a disk may be full for an hour.
    """

    servers: Sequence[Server]
    environment: Mapping[str, str]
    parts: list[Part] = field(default_factory=list)
    _revivals: dict[str, Restarts] = field(default_factory=lambda: defaultdict(Restarts))
    _announced: bool = False
    _stopping: bool = False

    def once(self, *command: str) -> None:
        """Run a command to its end; in a process of its own, whose memory goes with it."""
        done = subprocess.run(
            [sys.executable, "-m", "cdp", *command],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise ServiceFailed(f"`cdp {command[0]}` failed with exit code {done.returncode}")

    def run(self, ready: Callable[[], None]) -> None:
        """Start everything, call `ready` when it is up, watch until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            for part in self.parts:
                self._start(part)
            while not self._stopping:
                self._watch()
                self._announced = self._announced or self._announce(ready)
                time.sleep(_POLL_SECONDS)
        finally:
            self._end()

    def _announce(self, ready: Callable[[], None]) -> bool:
        try:
            ready()
        except ConnectionError:
            return False
        return True

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _start(self, part: Part) -> None:
        part.process = subprocess.Popen(
            [sys.executable, "-m", "cdp", *part.arguments],
            env={**os.environ, **self.environment, **part.environment},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is ours to pass on
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509
        )
        part.started = time.monotonic()

    def _watch(self) -> None:
        for server in self.servers:
            if not server.alive() and self._revivals[server.name].due():
                self._revive(server)
        for part in self.parts:
            if part.process is not None and part.process.poll() is not None:
                self._schedule_restart(part)
            if part.process is None and part.restarts.due():
                self._start(part)

    def _revive(self, server: Server) -> None:
        """It may be killed again while it recovers, or not get up for lack of space."""
        restarts = self._revivals[server.name]
        log.warning("server_died", server=server.name, failures=restarts.failures)
        try:
            server.start()
        except ServiceFailed as error:
            pause = restarts.failed()
            log.warning(
                "server_not_back", server=server.name, restart_in=pause, error=_brief(error)
            )
            self._must_hope(server.name, restarts, "does not start")
        else:
            restarts.failures = 0

    def _schedule_restart(self, part: Part) -> None:
        assert part.process is not None
        code, lived = part.process.returncode, time.monotonic() - part.started
        pause = part.restarts.failed(again=lived <= _STABLE_SECONDS)
        log.warning("part_died", part=part.name, exit_code=code, restart_in=pause)
        part.process = None
        self._must_hope(part.name, part.restarts, f"ends again and again (exit code {code})")

    def _must_hope(self, name: str, restarts: Restarts, what: str) -> None:
        if restarts.failures > _MOST_RESTARTS and not self._announced:
            raise ServiceFailed(f"{name} {what}")

    def _end(self) -> None:
        """The writers first, then the stores under them (which their owner closes)."""
        alive = [part.process for part in self.parts if part.process is not None]
        for process in alive:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in alive:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _brief(error: ServiceFailed) -> str:
    """Its last line, which says what is the matter."""
    return str(error).strip().rpartition("\n")[2][-200:]
