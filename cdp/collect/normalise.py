"""From a message's fields to an Event: checked and completed once, then frozen and trusted."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from cdp import times
from cdp.events import SCHEMA, Event, EventType, Instant, mapping

MAX_MESSAGE_ID = 100  # characters
MAX_NAME = 512  # characters of an id or an event's name

_TYPES = {"track", "page", "screen", "identify", "group", "alias", "merge"}
_KNOWN = frozenset(
    {"type", "messageId", "timestamp", "originalTimestamp", "sentAt", "receivedAt", "writeKey"}
    | {"event", "name", "userId", "anonymousId", "previousId", "groupId"}
    | {"properties", "traits", "context", "integrations"}
)
_NEEDS = {
    "track": ("event", "a track call names the event"),
    "group": ("groupId", "a group call names the group"),
    "alias": ("previousId", "an alias call names the previous id"),
    "merge": ("mergeProperties", "a merge call lists two identifiers, each with type and value"),
}


class Refused(Exception):
    """The message breaks the contract; names the field, what is wrong and the fix."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class Arrival(NamedTuple):
    """What is known about a message from the request that carried it."""

    source: int
    received_at: Instant
    kind: str  # from the route; empty when the message says it
    sent_at: object = None
    context: Mapping[str, Any] = {}
    integrations: Mapping[str, Any] = {}
    anonymous_id: str = ""
    ip: str = ""
    ip_policy: str = ""  # of `X-IP-Policy`
    gpc: bool = False
    trace: bytes = b""  # of the request, where it is traced


def normalise(
    fields: Mapping[str, Any],
    arrival: Arrival,
    digest: Callable[[bytes], bytes],
    new_id: Callable[[], str],
) -> Event:
    """The event, or Refused. `digest` makes its id from source and message id.

    `new_id` makes a message id for a message without one.
    """
    kind = arrival.kind or fields.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise Refused("type", f"must be one of {', '.join(sorted(_TYPES))}")
    needed = _NEEDS.get(kind)
    if needed and _is_missing(fields.get(needed[0])):
        raise Refused(needed[0], f"is missing; {needed[1]}")
    if kind == "merge" and not isinstance(fields["mergeProperties"], list):
        raise Refused("mergeProperties", "must be a list of objects with type and value")
    message_id = _text(fields, "messageId", MAX_MESSAGE_ID) or new_id()
    stamped = "timestamp" if _is_missing(fields.get("originalTimestamp")) else "originalTimestamp"
    original_at = _instant(stamped, fields.get(stamped))
    sent_at = _instant("sentAt", fields.get("sentAt"))
    if sent_at is None:
        sent_at = _instant("sentAt", arrival.sent_at)
    return Event(
        schema=SCHEMA,
        type=cast("EventType", kind),
        id=digest(f"{arrival.source}\x00{message_id}".encode()),
        source=arrival.source,
        message_id=message_id,
        timestamp=_corrected(original_at, sent_at, arrival.received_at),
        received_at=arrival.received_at,
        name=_text(fields, "event" if kind == "track" else "name", MAX_NAME),
        user_id=_text(fields, "userId", MAX_NAME),
        anonymous_id=_text(fields, "anonymousId", MAX_NAME) or arrival.anonymous_id,
        previous_id=_text(fields, "previousId", MAX_NAME),
        group_id=_text(fields, "groupId", MAX_NAME),
        properties=_object(fields, "properties"),
        traits=_object(fields, "traits"),
        context=_context(fields, arrival),
        integrations={**arrival.integrations, **_object(fields, "integrations")},
        original_timestamp=original_at,
        sent_at=sent_at,
        extra={name: value for name, value in fields.items() if name not in _KNOWN},
        trace=arrival.trace,
    )


def _is_missing(value: object) -> bool:
    return value is None or value == ""


def _text(fields: Mapping[str, Any], name: str, limit: int) -> str:
    """A string; SDKs also send numbers, null and nothing."""
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Refused(name, "must be a string or a number")
    text = str(value)
    if len(text) > limit:
        raise Refused(name, f"has {len(text)} characters; the limit is {limit}")
    return text


def _object(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if value is not None and not isinstance(value, dict):
        raise Refused(name, "must be an object")
    return mapping(value)


def _instant(name: str, value: object) -> Instant | None:
    if _is_missing(value):
        return None
    try:
        return times.parse(value)
    except ValueError as error:
        raise Refused(name, str(error)) from None


def _corrected(original: Instant | None, sent: Instant | None, received: Instant) -> Instant:
    """By our clock: what the client's clock is off shows in when it says it sent this."""
    if original is None:
        return received
    if sent is None:
        return original
    return times.bounded(received - (sent - original))


def _context(fields: Mapping[str, Any], arrival: Arrival) -> dict[str, Any]:
    context = {**arrival.context, **_object(fields, "context")}
    ip = context.get("ip") or arrival.ip
    if isinstance(ip, str) and ip:
        context["ip"] = masked_ip(ip, arrival.ip_policy)
        if not context["ip"]:
            del context["ip"]
    if arrival.gpc or context.get("gpc") is True:
        context.pop("gpc", None)
        context["consent"] = {**mapping(context.get("consent")), "gpc": True}
    return context


def decoded_anonymous_id(header: str | None) -> str:
    """RudderStack's `AnonymousId` header is base64; anything else is taken as it is."""
    if not header:
        return ""
    try:
        return base64.b64decode(header, validate=True).decode()[:MAX_NAME]
    except (binascii.Error, ValueError):
        return header[:MAX_NAME]


def masked_ip(ip: str, policy: str) -> str:
    """`X-IP-Policy`: `remove`, `keep` or `stripLastOctet` (of IPv6 the last 80 bits)."""
    if policy == "remove":
        return ""
    if policy != "stripLastOctet":
        return ip
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    kept = address.packed[: 3 if address.version == 4 else 6]
    return str(ipaddress.ip_address(kept.ljust(len(address.packed), b"\x00")))
