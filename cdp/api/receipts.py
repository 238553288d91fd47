"""Consent receipts: a person's, signed; the key they are checked with; and the check itself."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from fastapi import APIRouter, Request
from marshmallow import fields, validate
from starlette.responses import Response

import activation.store as destination_store
import consent.store as consent_store
from cdp import times
from cdp.api import openapi, pages, refs
from cdp.api import samples_evidence as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.api.standing import stands_of
from cdp.db import Connection
from cdp.events import ProfileId
from cdp.evidence import receipts, store
from cdp.evidence.receipts import Notice, Person, Record, Said
from cdp.evidence.signing import Signer
from cdp.forms import Form, load
from cdp.log import store as log_store
from cdp.log.store import partition_of
from consent import notices
from consent.model import Decision, decisions
from consent.purposes import Purpose
from consent.standing import Standing
from profiles import segments


class ReceiptSchema(Form):
    """A receipt as it was handed out."""

    signed = fields.String(
        required=True,
        validate=validate.Length(1),
        metadata={"description": "HEADER.PAYLOAD.SIGNATURE, as it came with the receipt"},
    )


class Where(NamedTuple):
    """The jurisdictions that somebody was seen in, and the instance's own."""

    codes: frozenset[str]
    home: str


@lru_cache(maxsize=1)
def _signer(private: bytes) -> Signer:
    return Signer(private)


@dataclass(frozen=True, slots=True)
class Receipts:
    """Everything about receipts."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes. Whose name ends in `/receipt` is named by profile id."""
        routes = Routes("/api/v1/consent", "Consent", self.parts.keys)
        routes.get(
            "/receipts/keys",
            self.list_keys,
            "consent:read",
            openapi.read("The public key that receipts are checked with", samples.RECEIPT_KEYS),
        )
        routes.post(
            "/receipts/verify",
            self.verify,
            "consent:read",
            openapi.write("Check a receipt", "ReceiptSchema", samples.RECEIPT_CHECKED),
        )
        routes.get(
            "/{ref:path}/receipt",
            self.get_receipt,
            "consent:read",
            openapi.read("What a person agreed to, signed", samples.RECEIPT, named="ref"),
        )
        return routes.router

    @property
    def signer(self) -> Signer:
        """With the key that comes from the master key."""
        return _signer(self.parts.vault.receipt_key())

    async def list_keys(self, request: Request) -> Response:
        """As a JWK Set (RFC 7517)."""
        return pages.json({"keys": [self.signer.jwk]})

    async def get_receipt(self, request: Request) -> Response:
        """In clear to read, and signed to keep."""
        async with self.parts.database.transaction() as connection:
            ref = request.path_params["ref"]
            profile = await refs.profile_of(connection, ref, self.parts.vault.subject)
            records = await _records(self.parts, connection, profile)
            kinds = await _kinds(self.parts, connection, profile)
        person = Person(str(uuid.UUID(bytes=profile)), kinds)
        made = receipts.receipt(
            str(uuid.uuid4()), times.now(), person, records, self.parts.controller
        )
        return pages.json({"receipt": made, "signed": self.signer.sign(made)})

    async def verify(self, request: Request) -> Response:
        """Whether we signed it, and which of its facts are not in the chain as it says."""
        loaded, _ = load(ReceiptSchema(), await pages.read_body(request))
        found = self.signer.open(loaded["signed"])
        if found is None:
            return pages.json({"valid": False, "receipt": None, "unmatched": []})
        told = receipts.links(found)
        async with self.parts.database.transaction() as connection:
            macs = await store.links_at(connection, (place for place, _ in told.values()))
        unmatched = [
            fact
            for fact, (place, mac) in told.items()
            if place not in macs or macs[place].hex() != mac
        ]
        return pages.json({"valid": True, "receipt": found, "unmatched": unmatched})


async def _records(parts: Parts, connection: Connection, profile: ProfileId) -> list[Record]:
    """One for each purpose that a decision of theirs counts for."""
    nodes, stands = await stands_of(parts, connection, profile)
    rows = await log_store.consent_history(connection, nodes)
    place = {row.id: (partition_of(row.key, parts.partitions), row.offset) for row in rows}
    heard = [
        decision
        for each in await parts.people.keyring.open_events(connection, rows)
        for decision in decisions(each.event)
    ]
    recipients = await _recipients(connection)
    versions = {each.decision.notice for each in stands.values() if each.decision}
    hashes = await notices.hashes(connection, versions - {""})
    seen = await consent_store.seen(connection, nodes)
    codes = frozenset(code for node in nodes for code in seen.get(node, ()))
    where = Where(codes, parts.people.home)
    records = []
    for purpose in await consent_store.purposes(connection):
        stand = stands[purpose.key]
        if stand.decision is None:
            continue
        meant = [each for each in heard if each.signal in purpose.meant_by]
        own = _changes(meant, stand.decision)
        macs = await store.links_at(connection, (place[each.event] for each in own))
        said = [_said(each, place[each.event], macs) for each in own]
        record = _record(purpose, stand, where, hashes.get(stand.decision.notice, {}))
        to = sorted(recipients.get(purpose.key, ()))
        records.append(record._replace(said=said, recipients=to))
    return records


def _changes(heard: Sequence[Decision], counts: Decision) -> list[Decision]:
    """Those that changed something, and the one that counts: stamps repeat with every event."""
    changes: list[Decision] = []
    for each in sorted(heard, key=lambda d: d.weight):
        if each.event == counts.event or not changes or changes[-1].state != each.state:
            changes.append(each)
    return changes


def _said(
    decision: Decision, place: tuple[int, int], macs: Mapping[tuple[int, int], bytes]
) -> Said:
    mac = macs.get(place)
    granted = decision.state == "granted"
    return Said(decision.event.hex(), decision.at, granted, place, mac.hex() if mac else None)


async def _recipients(connection: Connection) -> dict[str, set[str]]:
    """Whom data goes to, by the purpose that it goes there for."""
    serves = {each.key: each.purpose for each in await segments.listed(connection)}
    found: dict[str, set[str]] = {}
    for destination, _ in await destination_store.destinations(connection):
        fed = {serves.get(segment, "") for segment in destination.segments or serves}
        for purpose in {destination.purpose} if destination.purpose else fed:
            found.setdefault(purpose, set()).add(destination.key)
    return found


async def _kinds(parts: Parts, connection: Connection, profile: ProfileId) -> list[str]:
    """What kinds of data there are: identifiers and traits by their names, and behaviour."""
    view = (await parts.people.load(connection, [profile])).get(profile, {})
    kinds = [*view.get("identifiers", ()), *(f"trait {name}" for name in view.get("traits", ()))]
    return sorted(kinds) + (["behaviour"] if view.get("events") else [])


def _record(purpose: Purpose, stand: Standing, where: Where, texts: Mapping[str, str]) -> Record:
    decision = stand.decision
    assert decision is not None
    codes = frozenset({decision.jurisdiction} if decision.jurisdiction else where.codes)
    return Record(
        id=decision.event.hex(),
        source=decision.source,
        purpose=purpose.key,
        name=purpose.name,
        basis=purpose.default(codes, where.home).basis or None,
        jurisdiction=", ".join(sorted(codes)) or where.home or None,
        notice=Notice(decision.notice, texts) if decision.notice else None,
        validity_days=purpose.validity_days,
        expired_at=purpose.expires(decision.at) if stand.expired else None,
        recipients=(),
        said=(),
    )
