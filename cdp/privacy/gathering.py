"""All that there is of a person, table by table, as people read it: but for their events."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import activation.store as delivery_store
import profiles.store as profile_store
from cdp.db import Connection, named
from cdp.events import Event, Identifier, SubjectId
from cdp.log import store as log_store
from cdp.people import People
from cdp.preferences import model as preferences
from cdp.preferences import store as preference_store
from cdp.times import from_datetime, iso
from consent.model import decisions
from identity import inferences, verdicts
from identity import store as identity_store
from identity.identifiers import RULINGS, Kind, ruling
from profiles import segments
from profiles.fragment import parts

_PAGE = 1000
_CHANGES = named(
    """
    select c."offset", c.segment, c.profile, c.entered, c.at, c.cause from changes c
     where c.profile = any(:subjects) order by c."offset"
    """
)
_SOURCES = named("select id, name from sources")
_INSTANTS = ("at", "received_at", "original_timestamp", "sent_at")
EVENT_COLUMNS = (
    *("id", "type", "name", "at", "received_at", "source", "message_id"),
    *("user_id", "anonymous_id", "previous_id", "group_id", "properties", "traits", "context"),
    *("integrations", "original_timestamp", "sent_at", "extra", "corrects"),
)


class Table(NamedTuple):
    """Rows under a name."""

    name: str
    columns: Sequence[str]
    rows: list[dict[str, Any]]


class Gathering(NamedTuple):
    """Whose data, read in one moment's transaction."""

    connection: Connection
    people: People
    subjects: Sequence[SubjectId]

    async def events(self) -> AsyncIterator[list[Event]]:
        """Every event in the log; not operators' words that name somebody else too."""
        found = log_store.of_subjects(self.connection, self.subjects)
        async for records in found:
            opened = await self.people.keyring.open_events(self.connection, records)
            yield [each.event for each in opened if self._is_theirs(each.event)]

    async def sources(self) -> dict[int, str]:
        """Where events came from, by number."""
        rows = await self.connection.execute(_SOURCES)
        return {0: "platform", **{row[0]: row[1] for row in rows}}

    async def tables(self) -> list[Table]:
        """Everything else."""
        names = await self.people.names(self.connection, self.subjects)
        return [
            await self._identifiers(names),
            await self._links(names),
            await self._identity_history(),
            await self._traits(),
            await self._memberships(),
            await self._changes(),
            await self._decisions(),
            await self._choices(),
            await self._deliveries(),
        ]

    def _is_theirs(self, event: Event) -> bool:
        if event.type not in RULINGS:
            return True
        word, hashed = ruling(event), self.people.keyring.vault.subject
        return word is not None and {hashed(*word.a), hashed(*word.b)} <= set(self.subjects)

    async def _identifiers(self, names: Mapping[SubjectId, Identifier]) -> Table:
        placed = await identity_store.nodes(self.connection, self.subjects)
        rows = [
            {
                "namespace": each.node.namespace,
                "value": names[node].value if node in names else None,
                "first_seen": iso(each.node.first_seen),
            }
            for node, each in sorted(placed.items(), key=lambda item: item[1].node.first_seen)
        ]
        return Table("identifiers", ("namespace", "value", "first_seen"), rows)

    async def _links(self, names: Mapping[SubjectId, Identifier]) -> Table:
        """Between their own identifiers: what is said of others is others'."""
        mine = set(self.subjects)
        said = [
            (each.a, each.b, Kind(each.kind).name.lower(), each.first_seen, each.event)
            for each in await identity_store.incident_edges(self.connection, self.subjects)
        ]
        said += [
            (each.a, each.b, "linked" if each.together else "unlinked", each.at, each.event)
            for each in await verdicts.about(self.connection, self.subjects)
        ]
        said += [
            (each.a, each.b, "inferred", each.at, each.event)
            for each in await inferences.about(self.connection, self.subjects)
        ]
        rows = [
            {
                "a": _name(names, a),
                "b": _name(names, b),
                "kind": kind,
                "at": iso(at),
                "event": event.hex(),
            }
            for a, b, kind, at, event in said
            if a in mine and b in mine
        ]
        return Table("links", ("a", "b", "kind", "at", "event"), rows)

    async def _identity_history(self) -> Table:
        moves = await verdicts.history(self.connection, self.subjects, _PAGE)
        rows = [
            {"at": iso(at), "former": _id(move.former), "profile": _id(move.profile)}
            | {"kind": move.kind}
            for at, move in moves
        ]
        return Table("identity_history", ("at", "former", "profile", "kind"), rows)

    async def _traits(self) -> Table:
        """Each that an event set and that was not set later by another of the same subject."""
        fragments = await self.people.profiles.shelf.open(self.connection, self.subjects)
        rows = [
            {"name": name, "value": value, "set_at": iso(at), "event": event.hex(), "group": group}
            for each in fragments.values()
            for group, registers in [
                *((None, part.traits) for part in parts(each)),
                *each.groups.items(),
            ]
            for name, (at, event, value) in registers.items()
        ]
        rows.sort(key=lambda row: (row["group"] or "", row["name"], row["set_at"]))
        return Table("traits", ("name", "value", "set_at", "event", "group"), rows)

    async def _memberships(self) -> Table:
        profiles = await identity_store.profiles(self.connection, self.subjects)
        keys = await segments.keys(self.connection)
        now = await profile_store.memberships(self.connection, set(profiles.values()))
        rows = [
            {"segment": keys[each.segment], "since": iso(each.since)}
            for each in now
            if each.segment in keys
        ]
        return Table("segments", ("segment", "since"), rows)

    async def _changes(self) -> Table:
        rows = [
            {"segment": segment, "change": "entered" if entered else "left"}
            | {"at": iso(at), "cause": cause}
            for _, segment, _, entered, at, cause in await self.connection.execute(
                _CHANGES, {"subjects": list(self.subjects)}
            )
        ]
        return Table("segment_history", ("segment", "change", "at", "cause"), rows)

    async def _decisions(self) -> Table:
        records = await log_store.consent_history(self.connection, list(self.subjects))
        opened = await self.people.keyring.open_events(self.connection, records)
        rows = [
            {
                "purpose": said.signal,
                "state": said.state,
                "at": iso(said.at),
                "source": said.source,
                "jurisdiction": said.jurisdiction,
                "notice": said.notice,
                "event": said.event.hex(),
            }
            for each in opened
            for said in decisions(each.event)
        ]
        columns = ("purpose", "state", "at", "source", "jurisdiction", "notice", "event")
        return Table("consent", columns, rows)

    async def _choices(self) -> Table:
        """What was said on the preference centre's pages and by API that is no purpose."""
        records = await preference_store.told(self.connection, self.subjects)
        opened = await self.people.keyring.open_events(self.connection, records)
        frequency = preferences.frequency(each.event for each in opened)
        rows = [{"preference": "frequency", "value": frequency}]
        return Table("preferences", ("preference", "value"), rows)

    async def _deliveries(self) -> Table:
        columns = ("id", "destination", "segment", "change", "at", "state", "purpose", "consent")
        rows: list[dict[str, Any]] = []
        after = (datetime(1970, 1, 1, tzinfo=UTC), b"")
        while True:
            page = await delivery_store.listed(
                self.connection, profiles=self.subjects, after=after, limit=_PAGE
            )
            rows += [_delivery(each) for each in page]
            if len(page) < _PAGE:
                return Table("deliveries", (*columns, "updated_at"), rows)
            after = page[-1].created_at, page[-1].delivery.id


def told(event: Event, sources: Mapping[int, str]) -> dict[str, Any]:
    """An event as it is handed out."""
    shown: dict[str, Any] = {name: getattr(event, name) for name in EVENT_COLUMNS}
    shown |= {name: None if shown[name] is None else iso(shown[name]) for name in _INSTANTS}
    shown |= {"id": event.id.hex(), "corrects": event.corrects.hex() or None}
    return shown | {"source": sources.get(event.source, str(event.source))}


def _delivery(each: delivery_store.Listed) -> dict[str, Any]:
    made = each.delivery
    return {
        "id": _id(made.id),
        "destination": made.destination,
        "segment": made.segment,
        "change": made.kind,
        "at": iso(made.at),
        "state": made.state,
        "purpose": made.purpose,
        "consent": each.consent,
        "updated_at": iso(from_datetime(each.updated_at)),
    }


def _name(names: Mapping[SubjectId, Identifier], node: SubjectId) -> str:
    return f"{names[node].namespace}:{names[node].value}" if node in names else "…"


def _id(found: bytes) -> str:
    return str(uuid.UUID(bytes=found))


def own_key(subjects: Collection[SubjectId], keys: Collection[SubjectId]) -> SubjectId | None:
    """Whose key seals what is made of these; None if there is none, and so nothing of them."""
    return min((each for each in subjects if each in keys), default=None)
