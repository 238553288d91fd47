"""Runs the parts as child processes, and the embedded servers under them; brings back who dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from cdp.errors import ServiceFailed
from cdp.services.server import Server, die_with_parent

_POLL_SECONDS = 0.1
_STOP_SECONDS = 8.0
_LONGEST_PAUSE = 5.0
_STABLE_SECONDS = 10.0  # alive so long, a part is taken for well
_MOST_RESTARTS = 20  # in a row, then something is wrong for good

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Part:
    """One child: a `cdp` command."""

    name: str
    arguments: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Owns children and servers from `run` until it returns; nothing of them is left then."""

    servers: Sequence[Server]
    environment: Mapping[str, str]
    parts: list[Part] = field(default_factory=list)
    _stopping: bool = False

    def once(self, command: str) -> None:
        """Run a command to its end; in a process of its own, whose memory goes with it."""
        done = subprocess.run(
            [sys.executable, "-m", "cdp", command],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise ServiceFailed(f"`cdp {command}` failed with exit code {done.returncode}")

    def run(self, ready: Callable[[], None]) -> None:
        """Start everything, call `ready` when it is up, watch until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            for part in self.parts:
                self._start(part)
            announced = False
            while not self._stopping:
                self._watch()
                if not announced:
                    announced = self._announce(ready)
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
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is ours to pass on
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509
        )
        part.started = time.monotonic()

    def _watch(self) -> None:
        for server in self.servers:
            if not server.alive():
                self._revive(server)
        for part in self.parts:
            if part.process is not None and part.process.poll() is not None:
                self._schedule_restart(part)
            if part.process is None and time.monotonic() >= part.not_before:
                self._start(part)

    def _revive(self, server: Server) -> None:
        """A server may be killed again while it recovers; only so often in a row, though."""
        for attempt in range(_MOST_RESTARTS):
            log.warning("server_died", server=server.name, attempt=attempt)
            try:
                server.start()
                return
            except ServiceFailed as error:
                if self._stopping or attempt == _MOST_RESTARTS - 1:
                    raise
                log.warning("server_not_back", server=server.name, error=str(error)[:60])
                time.sleep(_POLL_SECONDS * attempt)

    def _schedule_restart(self, part: Part) -> None:
        assert part.process is not None
        code, lived = part.process.returncode, time.monotonic() - part.started
        part.failures = 0 if lived > _STABLE_SECONDS else part.failures + 1
        if part.failures > _MOST_RESTARTS:
            raise ServiceFailed(f"{part.name} ends again and again (exit code {code})")
        pause = 0.0 if not part.failures else min(0.1 * 2**part.failures, _LONGEST_PAUSE)
        log.warning("part_died", part=part.name, exit_code=code, restart_in=pause)
        part.process, part.not_before = None, time.monotonic() + pause

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
