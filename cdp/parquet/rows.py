"""What stands in the columns of an event, a profile and a membership; times are in UTC."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from cdp.events import Event, Instant, ProfileId
from profiles.model import Profile

TIME = pa.timestamp("us", tz="UTC")
# What people name as they like is JSON: a column of its own for each name fits no warehouse.
EVENTS = pa.schema(
    [
        ("event_id", pa.string()),
        ("profile_id", pa.string()),
        ("type", pa.string()),
        ("event", pa.string()),
        ("at", TIME),
        ("received_at", TIME),
        ("source", pa.int32()),
        ("message_id", pa.string()),
        ("user_id", pa.string()),
        ("anonymous_id", pa.string()),
        ("group_id", pa.string()),
        ("properties", pa.string()),
        ("traits", pa.string()),
        ("context", pa.string()),
        ("corrects", pa.string()),
    ]
)
PROFILES = pa.schema(
    [
        ("profile_id", pa.string()),
        ("identifiers", pa.string()),
        ("traits", pa.string()),
        ("computed", pa.string()),
        ("segments", pa.list_(pa.string())),
        ("allowed", pa.list_(pa.string())),
        ("first_seen", TIME),
        ("last_seen", TIME),
        ("timezone", pa.string()),
    ]
)
MEMBERSHIPS = pa.schema([("segment", pa.string()), ("profile_id", pa.string()), ("since", TIME)])


def event(told: Event, profile: ProfileId) -> dict[str, Any]:
    """A row of EVENTS; what a call does not have is null."""
    return {
        "event_id": told.id.hex(),
        "profile_id": named(profile),
        "type": told.type,
        "event": told.name or None,
        "at": told.at,
        "received_at": told.received_at,
        "source": told.source,
        "message_id": told.message_id,
        "user_id": told.user_id or None,
        "anonymous_id": told.anonymous_id or None,
        "group_id": told.group_id or None,
        "properties": _json(told.properties),
        "traits": _json(told.traits),
        "context": _json(told.context),
        "corrects": told.corrects.hex() or None,
    }


def profile(
    who: ProfileId,
    known: Profile,
    *,
    computed: Mapping[str, Any],
    inside: Sequence[str],
    allowed: Mapping[str, bool],
) -> dict[str, Any]:
    """A row of PROFILES."""
    return {
        "profile_id": named(who),
        "identifiers": _json(known.identifiers),
        "traits": _json(known.traits),
        "computed": _json(computed),
        "segments": sorted(inside),
        "allowed": sorted(purpose for purpose in allowed if allowed[purpose]),
        "first_seen": known.first_seen,
        "last_seen": known.last_seen,
        "timezone": known.timezone or None,
    }


def membership(segment: str, who: ProfileId, since: Instant) -> dict[str, Any]:
    """A row of MEMBERSHIPS."""
    return {"segment": segment, "profile_id": named(who), "since": since}


def table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as Arrow has them."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def named(profile: ProfileId) -> str:
    """A profile's id as the API shows it."""
    return str(uuid.UUID(bytes=profile))


def _json(value: Any) -> str | None:
    return msgspec.json.encode(value).decode() if value else None
