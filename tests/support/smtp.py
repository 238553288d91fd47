"""An SMTP server on loopback that takes, refuses, defers and hangs up as it is told."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


class Mailbox:
    """What came, raw; `answer` says what RCPT is answered, `end` what the message is."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.to: list[str] = []
        self.sessions: set[int] = set()
        self.port = 0
        self.answer: Callable[[str], str] = lambda _: "250 OK"
        self.end: Callable[[int], str] = lambda _: "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        told = self.answer(address)
        if told.startswith("250"):
            envelope.rcpt_tos.append(address)
        return told

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        self.to += envelope.rcpt_tos
        self.sessions.add(id(session))
        told = self.end(len(self.raw))
        if not told:  # hang up without a word: nobody knows what came of it
            server.transport.abort()
        return told or "421 gone"

    @property
    def messages(self) -> list[EmailMessage]:
        """Read strictly: what is not well formed is an error."""
        strict: Any = policy.SMTP.clone(raise_on_defect=True)
        return [message_from_bytes(raw, policy=strict) for raw in self.raw]


class _Server(Controller):
    """Hangs up on all when it ends: clients keep their connections open."""

    def factory(self) -> SMTP:
        made = super().factory()
        vars(self).setdefault("made", []).append(made)
        return made

    def hang_up(self) -> None:
        for each in vars(self).get("made", []):
            if each.transport is not None:
                each.transport.abort()


@contextmanager
def mailing(**options: Any) -> Iterator[Mailbox]:
    """A server, for as long as it is needed; `options` are aiosmtpd's: `tls_context` and others."""
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        box.port = free.getsockname()[1]
    controller = _Server(box, hostname="127.0.0.1", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.loop.call_soon_threadsafe(controller.hang_up)
        controller.stop()


def only(username: str, password: str) -> Callable[..., AuthResult]:
    """Lets in who has this password."""

    def authenticated(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        good = (given.login, given.password) == (username.encode(), password.encode())
        return AuthResult(success=good, handled=False)

    return authenticated


@contextmanager
def mailing_apart() -> Iterator[int]:
    """A server in a process of its own, on this port: what it takes is none of the sender's."""
    command = [sys.executable, "-m", "tests.support.smtp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.communicate()  # it ends with its input


if __name__ == "__main__":
    with mailing() as mailbox:
        print(mailbox.port, flush=True)
        sys.stdin.read()
