"""The facts that the domains share: an event as the log keeps it, and the names of the topics."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, cast, get_args

import msgspec

SubjectId: TypeAlias = bytes  # 16 bytes: the keyed hash of an identifier
ProfileId: TypeAlias = bytes  # 16 bytes: the SubjectId of a profile's earliest-seen identifier
Instant: TypeAlias = int  # microseconds since 1970, UTC

EVENTS = "events"  # keyed by subject
TOUCHED = "touched"  # keyed by profile
DELIVERIES = "deliveries"  # keyed by destination and profile
TOPICS = (EVENTS, TOUCHED, DELIVERIES)

# The stored names of what can happen. They are ours for ever; classes may be renamed.
EventType: TypeAlias = Literal[
    "track",
    "page",
    "screen",
    "identify",
    "group",
    "alias",
    "merge",
    "consent",
    "link",
    "unlink",
    "infer",
    "predict",
    "retract",
]
EVENT_TYPES: frozenset[str] = frozenset(get_args(EventType))

TRANSIT = 5_000_000  # microseconds between sending and receiving that say nothing of a clock
SCHEMA = 1  # of the stored form of Event; `decode` brings older ones up to it


class Box(Protocol):
    """A subject's data key, as the pipeline hands it to the domains."""

    def pack(self, plain: bytes, context: bytes) -> bytes:
        """Compress and seal; `context` says what this is."""

    def unpack(self, sealed: bytes, context: bytes) -> bytes:
        """Open and decompress; Unreadable if the key or the context does not fit."""


class Identifier(NamedTuple):
    """One name of a person, normalised: `("email", "ada@example.com")`."""

    namespace: str
    value: str


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing that happened, as the SDK told it, cleaned and completed once at the edge.

    `timestamp` is the client's word, corrected for its clock; absent identifiers are empty. What
    `corrects` another stands in its place; of type `retract` it only takes that away.
    """

    schema: int
    type: EventType
    id: bytes  # 16 bytes: the keyed hash of source and message id
    source: int
    message_id: str
    timestamp: Instant
    received_at: Instant
    name: str = ""
    user_id: str = ""
    anonymous_id: str = ""
    previous_id: str = ""
    group_id: str = ""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}
    integrations: dict[str, Any] = {}
    original_timestamp: Instant | None = None
    sent_at: Instant | None = None
    extra: dict[str, Any] = {}
    trace: bytes = b""  # see `cdp.origins`; older stored forms end before it
    corrects: bytes = b""  # the id of an event that was recorded in error; likewise

    @property
    def at(self) -> Instant:
        """When it happened, as state counts it.

        `timestamp` takes for a skewed clock what may be a request that waited its turn, and would
        reorder what one device said within moments. A message that was on its way for less than
        TRANSIT is taken at its word. And nothing can have happened after we received it.
        """
        at = self.timestamp
        if self.sent_at is not None and self.original_timestamp is not None:
            transit = self.received_at - self.sent_at
            if 0 <= transit < TRANSIT:
                at = self.original_timestamp
        return min(at, self.received_at)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Event)


def encode(event: Event) -> bytes:
    """The stored form: MessagePack of the fields in order, the schema number first."""
    return _encoder.encode(event)


def decode(stored: bytes) -> Event:
    """Read any stored form, whatever its age."""
    return _decoder.decode(stored)


def event_name(event: Event) -> str:
    """The name an event is counted under; empty for calls that are not behaviour."""
    if event.type == "track":
        return event.name
    return event.type if event.type in {"page", "screen"} else ""


def mapping(value: object) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one: SDK contexts hold anything."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
