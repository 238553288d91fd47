"""A webhook receiver on loopback that believes nothing: it checks every signature itself."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

_TOLERANCE = 300  # seconds that a signed time may be off


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100  # connections that may knock at once


class Hook(NamedTuple):
    """A webhook that came in."""

    destination: str
    verified: bool
    at: float  # seconds, monotonic
    body: dict[str, Any]


class Receiver:
    """Listens in a thread of its own; use it in a `with` block."""

    def __init__(self) -> None:
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.hooks: list[Hook] = []
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _answering(self._take))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, destination: str) -> str:
        """Where a destination sends to."""
        return f"http://127.0.0.1:{self._server.server_port}/{destination}"

    def wait_for(self, wanted: Callable[[Hook], bool], seconds: float) -> Hook | None:
        """The first such webhook, now or within this time."""
        with self._changed:
            self._changed.wait_for(lambda: any(map(wanted, self.hooks)), seconds)
            return next(filter(wanted, self.hooks), None)

    def _take(self, path: str, headers: dict[str, str], payload: bytes) -> int:
        verified = is_signed(self.secret, headers, payload, time.time())
        body = json.loads(payload) if verified else {}
        with self._changed:
            self.hooks.append(Hook(path.strip("/"), verified, time.monotonic(), body))
            self._changed.notify_all()
        return 204 if verified else 400


def is_signed(secret: str, headers: dict[str, str], payload: bytes, now: float) -> bool:
    """Whether one of the signatures is right (standardwebhooks.com, 1.0.0)."""
    message, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(now - int(stamp)) > _TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = hmac.digest(key, f"{message}.{stamp}.".encode() + payload, hashlib.sha256)
    for signature in headers.get("webhook-signature", "").split():
        version, _, value = signature.partition(",")
        try:
            if version == "v1" and hmac.compare_digest(base64.b64decode(value), wanted):
                return True
        except binascii.Error:
            continue
    return False


def _answering(take: Callable[[str, dict[str, str], bytes], int]) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections open

        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(take(self.path, headers, payload))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Say nothing."""

    return Answering
