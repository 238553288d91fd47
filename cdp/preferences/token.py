"""Links that speak for one person: sealed, so that nobody can make, alter or read one.

A token is everything that a link says, sealed with a key of its own (AES-256-GCM, which also
authenticates) under its scope, as URL-safe base64. There is no table of tokens: what was taken back
is noted by person and time, see `store`.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import Literal, TypeAlias, get_args

import msgspec

from cdp.errors import Gone, NotFound, Unreadable
from cdp.events import Identifier, Instant
from cdp.log.vault import Seal

Scope: TypeAlias = Literal["preferences", "unsubscribe", "confirm"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
LONGEST = 2048  # characters of a token; an identifier has at most 512
_VERSION = 1


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a token says. `about` is the delivery that carries it, or the fact that asked."""

    version: int
    id: bytes
    namespace: str
    value: str
    issued_at: Instant
    expires_at: Instant
    purpose: str = ""
    about: str = ""

    @property
    def who(self) -> Identifier:
        """The one identifier that it speaks for."""
        return Identifier(self.namespace, self.value)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Link)


def new(
    who: Identifier, now: Instant, expires_at: Instant, *, purpose: str = "", about: str = ""
) -> Link:
    """A link that begins now."""
    return Link(_VERSION, os.urandom(8), *who, now, expires_at, purpose, about)


def sealed(link: Link, scope: Scope, seal: Seal) -> str:
    """The token."""
    return _spelled(seal.seal(_encoder.encode(link), _context(scope)))


def opened(token: str, scope: Scope, seal: Seal, now: Instant) -> Link:
    """What it says; NotFound if it is none of ours or for something else, Gone after its end."""
    try:
        closed = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        if len(token) > LONGEST or _spelled(closed) != token:  # one spelling, or none
            raise Unreadable("not a token")
        link = _decoder.decode(seal.open(closed, _context(scope)))
    except (Unreadable, msgspec.MsgspecError, binascii.Error, ValueError):
        raise NotFound("this link is not whole: take all of it from the message") from None
    if link.expires_at <= now:
        raise Gone("this link has expired: take the one from a newer message")
    return link


def _spelled(closed: bytes) -> str:
    return base64.urlsafe_b64encode(closed).rstrip(b"=").decode()


def _context(scope: Scope) -> bytes:
    return b"link " + scope.encode()
