"""Decision ids: what was shown where, readable by us alone to be ours, and naming nobody."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import msgspec

from cdp.errors import NotFound

LONGEST = 400  # characters
_MAC = 12  # bytes
_PURPOSE = b"\x00decision\x00"  # no identifier begins like this


class Decision(NamedTuple):
    """What was shown; the same for all who were shown it."""

    content: str
    variant: str
    slot: str
    personal: bool


Digest: TypeAlias = Callable[[bytes], bytes]


def spelled(decision: Decision, digest: Digest) -> str:
    """The id: the same decision has the same."""
    said = msgspec.msgpack.encode(decision)
    return base64.urlsafe_b64encode(_mac(said, digest) + said).rstrip(b"=").decode()


def read(text: str, digest: Digest) -> Decision:
    """What it says; NotFound if it is none of ours."""
    try:
        if len(text) > LONGEST:
            raise ValueError
        whole = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", True)
        if not hmac.compare_digest(whole[:_MAC], _mac(whole[_MAC:], digest)):
            raise ValueError
        return msgspec.msgpack.decode(whole[_MAC:], type=Decision)
    except (ValueError, msgspec.MsgspecError, binascii.Error):
        raise NotFound("there is no such decision", field="decision") from None


def _mac(said: bytes, digest: Digest) -> bytes:
    return digest(_PURPOSE + said)[:_MAC]
