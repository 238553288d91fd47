"""A door for whoever watches a process without an API: its metrics, and whether it lives."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from socketserver import ThreadingMixIn
from typing import Any, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from cdp.errors import ConfigurationError

LIVE_SECONDS = 5.0  # within which the process' loop comes round, if it lives
_POLL_SECONDS = 0.1

App: TypeAlias = Callable[[dict[str, Any], Any], Iterable[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Silent(WSGIRequestHandler):
    timeout = LIVE_SECONDS  # for a client that connects and says nothing

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Who asks for metrics is nothing to be logged."""


@asynccontextmanager
async def exposed(host: str, port: int, registry: CollectorRegistry) -> AsyncIterator[None]:
    """`/metrics` and `/health/live` while the block lasts; on port 0 there is no such door.

    It is served from a thread, so that a process that has come to a standstill can be seen.
    """
    if not port:
        yield
        return
    app = _app(make_wsgi_app(registry), asyncio.get_running_loop())
    kind = _Server6 if ":" in host else _Server
    try:
        server = make_server(host, port, app, kind, _Silent)
    except OSError:
        raise ConfigurationError(f"port {port} on {host} is in use: set CDP_METRICS_PORT") from None
    thread = threading.Thread(
        target=server.serve_forever, args=[_POLL_SECONDS], name="metrics", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


def _app(metrics: App, loop: asyncio.AbstractEventLoop) -> App:
    def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start)
        if path != "/health/live":
            return _answer(start, "404 Not Found", b'{"status":"not found"}')
        if not _comes_round(loop):
            return _answer(start, "503 Service Unavailable", b'{"status":"stuck"}')
        return _answer(start, "200 OK", b'{"status":"ok"}')

    return app


def _comes_round(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(LIVE_SECONDS)
    except (TimeoutError, RuntimeError):  # stuck, or closed
        return False
    return True


def _answer(start: Any, status: str, body: bytes) -> Iterable[bytes]:
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
