"""A wire between SDK and platform: it notes what passes, and can lose answers on their way back."""

from __future__ import annotations

import gzip
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import httpx

_MESSAGE_ID = re.compile(rb'"messageId":\s*"([^"]+)"')
_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding"}


class Passed(NamedTuple):
    """One request, and whether its answer was lost."""

    method: str
    path: str
    message_ids: tuple[bytes, ...]
    lost: bool


class Wire(ThreadingHTTPServer):
    """A reverse proxy on loopback. A wire that loses answers cuts the connection, after the
    platform has answered, whenever a POST carries a message for the first time.
    """

    daemon_threads = True

    def __init__(self, target: str, *, loses: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.client = httpx.Client(base_url=target, timeout=30.0, trust_env=False)
        self.passed: list[Passed] = []
        self._loses = loses
        self._lock = threading.Lock()

    @property
    def message_ids(self) -> set[bytes]:
        """Every message that an SDK has sent."""
        return set(self.times_sent())

    def times_sent(self) -> Counter[bytes]:
        """How often each message was sent."""
        return Counter(each for passed in list(self.passed) for each in passed.message_ids)

    def note(self, method: str, path: str, body: bytes) -> Passed:
        """Remember a request and decide what becomes of its answer."""
        plain = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        ids = tuple(_MESSAGE_ID.findall(plain))
        with self._lock:
            lost = self._loses and method == "POST" and bool(set(ids) - self.message_ids)
            self.passed.append(Passed(method, path, ids, lost))
            return self.passed[-1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of ours."""


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Wire

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        passed = self.server.note(self.command, self.path, body)
        headers = {k: v for k, v in self.headers.items() if k.lower() != "accept-encoding"}
        answer = self.server.client.request(
            self.command, self.path, content=body, headers=headers | {"accept-encoding": "identity"}
        )
        if passed.lost and answer.status_code == 200:
            self.close_connection = True  # and not a word
            return
        self.send_response_only(answer.status_code)
        for name, value in answer.headers.items():
            if name not in _HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    do_GET = do_HEAD = do_POST = do_OPTIONS = pass_on  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def wire(target: str, *, loses: bool = False) -> Iterator[Wire]:
    """A wire to the platform at `target`, for as long as the block lasts."""
    server = Wire(target, loses=loses)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.client.close()
