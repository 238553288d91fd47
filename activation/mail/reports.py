"""What mail servers send back: that something was not delivered, or that a reader complained.

Sources: RFC 3464 (delivery status notifications), RFC 5965 (abuse reports).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["bounced", "complained"]
_OURS = re.compile(r"<([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})@[^<>\s]+>")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
# No such address, or nobody reads it (RFC 3463, RFC 7505); 5.1.7 to 5.1.9 are about the sender.
_NOBODY = re.compile(r"5\.1\.(?:[0-6]|10)|5\.2\.1")
_MOST_PARTS = 100


class Unreadable(Exception):
    """It is no report, or not of anything that we sent."""


class Report(NamedTuple):
    """What came of a delivery. `lasting`: nothing more is to be sent to the address."""

    kind: Kind
    delivery: bytes
    status: str
    lasting: bool


def delivery_of(message_id: str) -> bytes:
    """The delivery that a Message-ID of ours names; Unreadable if it is none."""
    found = _OURS.fullmatch(message_id.strip())
    if found is None:
        raise Unreadable("it names no Message-ID of ours")
    return uuid.UUID(found[1]).bytes


def report_of(kind: Kind, delivery: bytes, status: str, *, hard: bool = False) -> Report:
    """What a status (RFC 3463) says of an address; a complaint is for good.

    Where it says nothing (none, or x.0.0), a `hard` bounce is for good too.
    """
    gone = _NOBODY.fullmatch(status) is not None
    if not status or status.endswith(".0.0"):
        gone = hard
    return Report(kind, delivery, status, kind == "complained" or gone)


def read(raw: bytes) -> Report:
    """The report that a message is; Unreadable says why it is none."""
    try:
        parts = list(_parts(message_from_bytes(raw, policy=policy.compat32)))
    except (MessageError, ValueError, LookupError, RecursionError):
        raise Unreadable("it is no message") from None
    kind, status = _told(parts)
    for each in reversed(parts):  # what came back is the last part
        for named in [str(each.get("message-id", "")), _text(each)]:
            found = _OURS.search(named)
            if found is not None and each is not parts[0]:
                return report_of(kind, uuid.UUID(found[1]).bytes, status)
    raise Unreadable("it has nothing of ours in it: its last part is to be what came back")


def _told(parts: list[Message]) -> tuple[Kind, str]:
    for each in parts:
        if each.get("feedback-type"):
            return "complained", ""
        action = str(each.get("action", "")).strip().lower()
        if action:
            if action != "failed":
                raise Unreadable(f"it tells of {action[:20]!a}, not of a failure")
            status = _STATUS.search(str(each.get("status", "")))
            return "bounced", status.group() if status else ""
    raise Unreadable("it is no multipart/report with a status or a complaint")


def _parts(message: Message) -> Iterator[Message]:
    for number, each in enumerate(message.walk()):
        if number == _MOST_PARTS:
            return
        yield each
        if each.get_content_type() == "message/feedback-report" and not each.is_multipart():
            yield message_from_bytes(_text(each).encode(), policy=policy.compat32)


def _text(part: Message) -> str:
    if part.is_multipart():
        return ""
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
