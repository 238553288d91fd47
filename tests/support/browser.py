"""A real browser for tests: Chromium, and the pages that load an SDK into it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_SECONDS = 90.0  # for everything that one browser is asked to do


class Browser:
    """Chromium with a profile of its own, told where to go line by line."""

    def __init__(self, sdks: Path, chromium: str, profile: Path) -> None:
        self._node = subprocess.Popen(
            ["node", "browser.mjs", chromium, str(profile)],
            cwd=sdks,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(_SECONDS, self._node.kill)
        self._watchdog.start()

    def visit(self, address: str) -> None:
        """Leave the page that is open, if one is, go there, and wait for `window.told`."""
        assert self._node.stdin is not None
        self._node.stdin.write(address + "\n")
        self._node.stdin.flush()
        assert self._answer() == {"visited": address}

    def report(self) -> dict[str, Any]:
        """Close the browser; what it noted: `problems` in pages, requests to the `outside`."""
        assert self._node.stdin is not None
        self._node.stdin.close()
        return self._answer()

    def end(self) -> None:
        """Chromium ends when the program that drives it does."""
        self._watchdog.cancel()
        self._node.kill()
        self._node.wait()
        for pipe in (self._node.stdin, self._node.stdout, self._node.stderr):
            assert pipe is not None
            pipe.close()

    def _answer(self) -> dict[str, Any]:
        assert self._node.stdout is not None
        assert self._node.stderr is not None
        line = self._node.stdout.readline()
        assert line, f"the browser has ended:\n{self._node.stderr.read()}"
        return dict(json.loads(line))


@contextmanager
def browsing(sdks: Path, chromium: str, profile: Path) -> Iterator[Browser]:
    """A browser for as long as the block lasts."""
    browser = Browser(sdks, chromium, profile)
    try:
        yield browser
    finally:
        browser.end()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def site(directory: Path) -> Iterator[str]:
    """Serves files on loopback; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
