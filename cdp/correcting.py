"""What a correction is: a fact that another was recorded in error, and what is true instead."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from cdp.errors import Conflict, Invalid
from cdp.events import Event, Instant
from cdp.facts import id_of
from cdp.log.vault import Vault
from identity import identifiers

PREFIX = "correction:"  # and the message id of what is corrected: so each has one correction
_FIELDS = {  # that may be said instead, by the type of what is corrected
    "track": {"event", "properties"},
    "page": {"properties"},
    "screen": {"properties"},
    "identify": {"traits"},
    "group": {"traits"},
}
_OTHER_WAYS = {
    "consent": "a decision on consent is corrected by another one: PUT /api/v1/consent/{ref}",
    "alias": "it said who is the same person: say otherwise by POST /api/v1/identity/unlink",
    "merge": "it said who is the same person: say otherwise by POST /api/v1/identity/unlink",
    "link": "an operator's word is corrected by another one: POST /api/v1/identity/unlink",
    "unlink": "an operator's word is corrected by another one: POST /api/v1/identity/link",
    "infer": "a guess of matching is corrected by POST /api/v1/identity/unlink",
    "predict": "a model says it anew once it has learned: POST /api/v1/models/{key}/fit",
    "retract": "what was taken back stays so; if it did happen, send it again as an event",
}


def correction(
    vault: Vault, event: Event, reason: str, instead: dict[str, Any] | None, now: Instant
) -> Event:
    """The fact that corrects an event; Conflict or Invalid if that is not how it is corrected.

    It happened when the event did, to the same person, and is of the same source.
    """
    if event.type in _OTHER_WAYS:
        raise Conflict(f"event: {_OTHER_WAYS[event.type]}", field="event")
    if identifiers.subject(event) is None:
        raise Conflict("event: it is about nobody, so nothing follows from it", field="event")
    message_id = PREFIX + event.message_id
    said = replace(
        event,
        id=id_of(vault, message_id, event.source),
        message_id=message_id,
        timestamp=event.at,
        received_at=now,
        integrations={},
        original_timestamp=None,
        sent_at=None,
        extra={"reason": reason},
        trace=b"",
        corrects=event.id,
    )
    if instead is None:
        return _nothing_but(said)
    for name in sorted(instead.keys() - _FIELDS[event.type]):
        known = ", ".join(sorted(_FIELDS[event.type]))
        told = f"instead.{name}: {event.type} events have none; give {known}"
        raise Invalid(told, field=f"instead.{name}")
    context = {name: each for name, each in said.context.items() if name != "traits"}
    name = instead.get("event", said.name)
    parts = {each: instead[each] for each in ("properties", "traits") if each in instead}
    return replace(said, name=name, context=context, **parts)


def corrected_by(vault: Vault, said: Event) -> bytes:
    """The id that the event has here which a correction from another instance corrects."""
    return id_of(vault, said.message_id.removeprefix(PREFIX), said.source)


def is_same(one: Event, other: Event) -> bool:
    """Whether two corrections of one event say the same, whatever their reasons."""
    return _said(one) == _said(other)


def _said(each: Event) -> tuple[Any, ...]:
    return each.corrects, each.type, each.name, each.properties, each.traits


def _nothing_but(said: Event) -> Event:
    """Whom it is about, and no more."""
    named = {n: said.context[n] for n in ("externalIds",) if n in said.context}
    return replace(
        said, type="retract", name="", group_id="", properties={}, traits={}, context=named
    )
