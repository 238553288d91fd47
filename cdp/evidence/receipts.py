"""Consent receipts: what somebody agreed to, in the fields of ISO/IEC TS 27560:2023.

One record for each purpose that was decided on, with every decision as an event of it. Names and
which of them are mandatory are those of the W3C community group's guide to the specification
(https://w3id.org/dpv/guides/consent-27560); of what is not known the value is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cdp.events import Instant
from cdp.times import iso

SCHEMA = "ISO/IEC TS 27560:2023"
_CONTROLLER = "controller"


class Controller(NamedTuple):
    """Who answers for the data, as the settings say."""

    name: str = ""
    address: str = ""
    contact: str = ""
    storage: str = ""  # where the data lies


class Notice(NamedTuple):
    """What was shown when somebody was asked: SHA-256 of its text, by language."""

    version: str
    texts: Mapping[str, str]


class Said(NamedTuple):
    """One decision; `place` and `mac` say where the fact is in the log, and its link."""

    fact: str
    at: Instant
    granted: bool
    place: tuple[int, int]
    mac: str | None


class Record(NamedTuple):
    """A purpose, the decision on it that counts, and all that was decided, oldest first."""

    id: str
    source: str
    purpose: str
    name: str
    basis: str | None
    jurisdiction: str | None
    notice: Notice | None
    validity_days: int | None
    expired_at: Instant | None
    recipients: Sequence[str]
    said: Sequence[Said]


class Person(NamedTuple):
    """Whom it is about: their profile's id, and what kinds of data there are of them."""

    id: str
    kinds: Sequence[str]


def receipt(
    receipt_id: str, issued: Instant, person: Person, records: Sequence[Record], who: Controller
) -> dict[str, Any]:
    """The whole receipt."""
    recipients = sorted({each for record in records for each in record.recipients})
    return {
        "schema_version": SCHEMA,
        "receipt_id": receipt_id,
        "issued_at": iso(issued),
        "pii_principal_id": person.id,
        "consent_records": [_record(each, person, who) for each in records],
        "party_identification": [
            _party(_CONTROLLER, who.name, who.address, who.contact, "pii_controller"),
            *(_party(each, each, "", "", "third_party") for each in recipients),
        ],
    }


def _record(record: Record, person: Person, who: Controller) -> dict[str, Any]:
    notice = record.notice
    return {
        "schema_version": SCHEMA,
        "record_id": record.id,
        "pii_principal_id": person.id,
        "pii_processing": {
            "privacy_notice": None
            if notice is None
            else {"version": notice.version, "text_hashes": dict(notice.texts)},
            "language": next(iter(notice.texts)) if notice and len(notice.texts) == 1 else None,
            "purposes": [
                {
                    "purpose": record.name,
                    "purpose_type": record.purpose,
                    "lawful_basis": record.basis,
                    "pii_information": [{"pii_type": kind} for kind in person.kinds],
                    "pii_controllers": [_CONTROLLER],
                    "collection_method": record.source,
                    "storage_locations": [who.storage] if who.storage else None,
                    "retention_period": None,
                    "jurisdiction": record.jurisdiction,
                    "recipient_third_parties": list(record.recipients),
                    "withdrawal_method": _withdrawal(who),
                }
            ],
        },
        "consent_events": [*_events(record, person)],
    }


def _withdrawal(who: Controller) -> str:
    ways = "in the preference centre, at any time and as easily as it was given"
    return f"{ways}; or by writing to {who.contact}" if who.contact else ways


def _events(record: Record, person: Person) -> list[dict[str, Any]]:
    events = []
    granted = False
    for each in record.said:
        state = "consent_withdrawn" if granted else "consent_refused"
        granted = each.granted
        if granted:
            state = "consent_given"
        partition, offset = each.place
        link = None if each.mac is None else f"{partition}/{offset}:{each.mac}"
        events.append(_event(each.at, state, record, person, fact=each.fact, link=link))
    if record.expired_at is not None:
        events.append(_event(record.expired_at, "consent_expired", record, person))
    return events


def _event(
    at: Instant,
    state: str,
    record: Record,
    person: Person,
    *,
    fact: str | None = None,
    link: str | None = None,
) -> dict[str, Any]:
    days = record.validity_days if state == "consent_given" else None
    return {
        "event_time": iso(at),
        "validity_duration": None if days is None else f"P{days}D",
        "entity_id": person.id,
        "event_type": "expressed_consent",
        "event_state": state,
        "fact": fact,
        "link": link,
    }


def _party(party: str, name: str, address: str, contact: str, role: str) -> dict[str, Any]:
    return {
        "party_id": party,
        "party_name": name or None,
        "party_address": address or None,
        "party_contact": contact or None,
        "party_role": role,
        "party_type": "organisation",
    }


def links(receipt: dict[str, Any]) -> dict[str, tuple[tuple[int, int], str]]:
    """Where a receipt says that its facts are, and the mac of each: by fact."""
    found = {}
    for record in receipt["consent_records"]:
        for event in record["consent_events"]:
            if event["link"] is not None:
                place, _, mac = event["link"].partition(":")
                partition, _, offset = place.partition("/")
                found[event["fact"]] = (int(partition), int(offset)), mac
    return found
