"""A platform's API on a real port, in a thread of this process, for clients that are not async."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import uvicorn

from cdp.application import application
from cdp.instance import Running
from tests.support.instances import Api, api_on, instance_on

Before: TypeAlias = Callable[[Api], Awaitable[None]]
_START_SECONDS = 90.0


@dataclass
class Served:
    """Where it listens, and its first keys."""

    url: str
    keys: dict[str, str]


class _Server(threading.Thread):
    """Runs the server on a loop of its own."""

    def __init__(self, running: Running, data_dir: Path, before: Before) -> None:
        super().__init__(name="served", daemon=True)
        self._running, self._data_dir, self._before = running, data_dir, before
        self._server: uvicorn.Server | None = None
        self.keys: dict[str, str] = {}

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        async with instance_on(self._running, self._data_dir) as instance:
            async with api_on(instance) as api:
                await self._before(api)
            self.keys = instance.keys
            # A client that tries every route with a wrong key would be taken for one that guesses.
            app = application(replace(instance.settings, rate_failures=0), instance.core)
            self._server = uvicorn.Server(
                uvicorn.Config(app, port=0, log_level="warning", access_log=False)
            )
            await self._server.serve()

    def port(self) -> int:
        """The port, once it listens."""
        deadline = time.monotonic() + _START_SECONDS
        while not (self._server and self._server.started):
            assert self.is_alive(), "the server has ended"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.02)
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self.join(_START_SECONDS)
        assert not self.is_alive(), "the server does not end"


@contextmanager
def served(running: Running, data_dir: Path, before: Before) -> Iterator[Served]:
    """An API over a database of its own, without workers, after what `before` does with it."""
    server = _Server(running, data_dir, before)
    server.start()
    try:
        port = server.port()
        yield Served(f"http://127.0.0.1:{port}", server.keys)
    finally:
        server.stop()
