"""A real browser for tests: Chromium, and the pages that load an SDK into it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.node import Node, node

_SECONDS = 90.0  # for everything that one browser is asked to do


@dataclass(frozen=True, slots=True)
class Browser:
    """Chromium with a profile of its own, told where to go line by line."""

    program: Node

    def visit(self, address: str, shown: str = "") -> None:
        """Leave the page that is open, if one is, go there, and wait for `window.told`.

        Or until something is shown that a CSS selector without spaces finds.
        """
        assert self.program.say(f"{address} {shown}".rstrip()) == {"visited": address}

    def report(self) -> dict[str, Any]:
        """Close the browser; what it noted: `problems` in pages, requests to the `outside`."""
        return self.program.last()


@contextmanager
def browsing(sdks: Path, chromium: str, profile: Path) -> Iterator[Browser]:
    """A browser for as long as the block lasts."""
    with node(sdks, "browser.mjs", chromium, str(profile), seconds=_SECONDS) as program:
        yield Browser(program)


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
