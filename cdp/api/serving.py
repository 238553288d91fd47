"""How HTTP is served: uvicorn, with bounds on what a client may make us keep and wait for.

uvicorn waits for a request for as long as it takes, keeps a head of any size and takes connections
until the process has no descriptors left. Here a head, a whole request and an answer that nobody
reads have their time, a head has its size, and connections their number.
"""

from __future__ import annotations

import asyncio
import resource
import signal
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from cdp.api.refusing import Refusing

MAX_HEAD = 64 * 1024  # bytes of a request line with its headers, or a read more
_MOST = 10_000  # connections at once
_OTHER_FILES = 200  # descriptors kept for databases, logs and the like
_GRACE_SECONDS = 3  # for the requests that have begun; what has no answer then gets a 503
_IDLE_SECONDS = 75  # longer than balancers keep their side of a connection, as a rule 60
_SWEEP_TICKS = 10  # uvicorn ticks ten times a second

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds until a client that does not go on is left; connections that are kept at once."""

    head: float = 10.0
    request: float = 60.0
    answer: float = 60.0  # that nobody reads
    connections: int = _MOST


class _Answered:
    """In place of a request that had its answer when its head was there: nobody waits for it."""

    response_started = response_complete = True
    message_event = asyncio.Event()


_ANSWERED = cast("RequestResponseCycle", _Answered())


class Bounded(HttpToolsProtocol):
    """One connection. `since` is when the request began that is not all there; 0: none has."""

    patience: ClassVar[Patience]
    refusing: ClassVar[Refusing | None]
    in_head = True
    only_head = True  # of what was read last: nothing else was in it
    head = 0
    stalled = 0.0
    since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Also the time until the first byte counts."""
        if len(self.connections) >= self.patience.connections:
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self.since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Parse, and look how much of a head there is."""
        if not self.since:
            self.since = self.loop.time()
        self.only_head = self.in_head
        super().data_received(data)
        if self.only_head:
            self.head += len(data)
            if self.head > MAX_HEAD and not self.transport.is_closing():
                self._refuse(431, b'{"code":"too_large","message":"the headers are too large"}')

    def on_headers_complete(self) -> None:
        """The head is there. Who cannot be let in is answered now, and the body read past."""
        self.in_head = self.only_head = False
        no = self._no()
        if no is None:
            super().on_headers_complete()
            return
        self.cycle = _ANSWERED
        self.transport.write(no)
        self.on_response_complete()  # the connection may be used again

    def _no(self) -> bytes | None:
        if self.refusing is None or self.parser.get_method() != b"POST":
            return None
        before = self.cycle is None or self.cycle.response_complete
        if not before or not self.parser.should_keep_alive():
            return None
        return self.refusing.answer(self.url.partition(b"?")[0].decode("latin-1"), self.scope)

    def on_message_complete(self) -> None:
        """All of it is there: from here on it is for us to go on."""
        self.in_head, self.head, self.since = True, 0, 0.0
        super().on_message_complete()

    def sweep(self, now: float) -> None:
        """End it, if its client has had its time."""
        if self.transport.is_closing():
            return
        waits = self.patience.head if self.in_head else self.patience.request
        if self.since and now - self.since > waits:
            self._refuse(408, b'{"code":"timeout","message":"the request took too long"}')
        elif not self.flow.write_paused:
            self.stalled = 0.0
        elif not self.stalled:
            self.stalled = now
        elif now - self.stalled > self.patience.answer:
            self.transport.abort()

    def _refuse(self, status: int, body: bytes) -> None:
        begun = self.cycle is not None and self.cycle.response_started
        if not begun or self.cycle.response_complete:
            length = str(len(body)).encode()
            head = (b"content-type: application/json", b"content-length: " + length)
            lines = (*head, b"connection: close", b"", body)
            self.transport.write(STATUS_LINE[status] + b"\r\n".join(lines))
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn, which looks after its connections once a second.

    Its exit code says whether it ended in order, not which signal told it to.
    """

    def handle_exit(self, sig: int, frame: object) -> None:
        """Told once, it ends in order; by a second Ctrl-C at once."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Part from clients that have had their time."""
        if counter % _SWEEP_TICKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Bounded):
                    connection.sweep(now)
        return await super().on_tick(counter)


def server(
    app: ASGIApp,
    host: str,
    port: int,
    patience: Patience | None = None,
    refusing: Refusing | None = None,
) -> Server:
    """A server that is ready to run."""
    patience = patience or Patience(connections=min(_MOST, _affordable()))
    protocol = type("Bounded", (Bounded,), {"patience": patience, "refusing": refusing})
    options: dict[str, Any] = {"server_header": False, "access_log": False, "log_level": "warning"}
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=protocol,
        log_config=None,  # its words go where ours go
        proxy_headers=False,  # whose word counts is `CDP_TRUSTED_PROXIES`' to say
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        **options,
    )
    return Server(config)


def _affordable() -> int:
    """Connections that there are descriptors for, once as many are asked for as we may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(100, max(soft, wanted) - _OTHER_FILES)
