"""One embedded server process: its lock, its birth, its end.

The lock file's descriptor is inherited by the server, so the lock is held exactly as long as the
server or its guardian lives; a stale pid file cannot mislead. PR_SET_PDEATHSIG makes the kernel
stop the server when its guardian is killed.
"""

from __future__ import annotations

import ctypes
import fcntl
import secrets
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from cdp.errors import ServiceFailed

_PR_SET_PDEATHSIG = 1
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Server(ABC):
    """A child process with a home directory that only one owner may use at a time."""

    def __init__(self, name: str, home: Path, *, stop_signal: signal.Signals) -> None:
        self.name = name
        self.home = home
        self.port = 0
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = (home / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise ServiceFailed(
                f"{home} is in use by another process; stop it, or set CDP_DATA_DIR"
            ) from None

    def spawn(self, command: Sequence[str], ready: Callable[[], bool]) -> None:
        """Start and wait until `ready`; ServiceFailed with the end of its log if it is not."""
        log_path = self.home / "server.log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[self._lock.fileno()],
                preexec_fn=lambda: die_with_parent(self._stop_signal),  # noqa: PLW1509
            )
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            if not self.alive() or time.monotonic() > deadline:
                self.stop()
                tail = log_path.read_text(errors="replace")[-800:]
                raise ServiceFailed(f"{self.name} did not start:\n{tail}")
            time.sleep(0.02)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id, once spawned."""
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """End the process, kindly first; the lock goes with it."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(self._stop_signal)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """Stop, and give the home directory back."""
        self.stop()
        self._lock.close()

    @abstractmethod
    def start(self) -> Self:
        """Start it; a second time after it has died, where its clients expect it."""


def die_with_parent(number: signal.Signals) -> None:
    """Ask the kernel to send this process a signal when its parent dies (Linux).

    Runs in a fresh child, before it becomes what it is to be; the parent's one thread forks it.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number))


def free_port() -> int:
    """A TCP port on the loopback address that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def secret_in(path: Path) -> str:
    """The secret kept in a file of mode 0600, made on first use."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text().strip()


def is_locked(home: Path) -> bool:
    """Whether a server, or its guardian, holds this home directory."""
    path = home / "lock"
    if not path.exists():
        return False
    with path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
