"""The SQL of privacy requests and of the archives that exports leave."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

import msgspec

from cdp.db import Connection, Row, named
from cdp.events import Instant, SubjectId
from cdp.log.vault import Vault
from cdp.privacy.model import AskedBy, Kind, Request
from cdp.times import from_datetime, to_datetime

_FIELDS = """
    number, id, kind, subject, namespace, asked_by, reference, status, received_at, due_at, awaits,
    people, result, attempts, next_at, reason, begun_at, done_at, receipt
"""
_ADD = named(
    f"""
    insert into privacy_requests
           (id, kind, subject, namespace, asked_by, reference, received_at, due_at, next_at)
    values (:id, :kind, :subject, :namespace, :asked_by, :reference, :received_at, :due_at,
            :received_at)
    returning {_FIELDS}
    """  # noqa: S608 - columns of ours
)
_OPEN = named(
    f"""
    select {_FIELDS} from privacy_requests
     where kind = :kind and subject = :subject and status <> 'done' order by number limit 1
    """  # noqa: S608
)
_FIND = named(f"select {_FIELDS} from privacy_requests where id = :id")  # noqa: S608
_LIST = named(
    f"""
    select {_FIELDS} from privacy_requests where number < :before
     order by number desc limit :limit
    """  # noqa: S608
)
_NEXT = named(
    f"""
    select {_FIELDS} from privacy_requests where status <> 'done' and next_at <= :now
     order by next_at, number limit 1
    """  # noqa: S608
)
_PUT = named(
    """
    update privacy_requests
       set status = :status, awaits = cast(:awaits as json), people = :people,
           result = cast(:result as json), attempts = :attempts, next_at = :next_at,
           reason = :reason, begun_at = :begun_at, done_at = :done_at, receipt = :receipt
     where number = :number
    """
)
_AWAIT_ANEW = named("update privacy_requests set awaits = null where status <> 'done'")
_SUPPRESSED_WITH = named(
    """
    select unnest(people) from privacy_requests
     where kind = 'suppress' and people && cast(:subjects as bytea[])
    """
)
_PUT_PART = named(
    "insert into privacy_archives (request, part, data) values (:request, :part, :data)"
)
_CLEAR = named("delete from privacy_archives where request = :request")
_PART = named("select data from privacy_archives where request = :request and part = :part")
_HELD = named("select exists (select from privacy_archives where request = :request)")
_EXPIRE = named(
    """
    delete from privacy_archives a using privacy_requests r
     where r.id = a.request and r.status = 'done' and r.done_at < :before
    """
)
_DROP_OF = named(
    """
    delete from privacy_archives a using privacy_requests r
     where r.id = a.request and r.people && cast(:subjects as bytea[])
    """
)


async def add(connection: Connection, vault: Vault, request: Request) -> Request:
    """A new request; its number is given here."""
    values = {
        "id": request.id,
        "kind": request.kind,
        "subject": request.subject,
        "namespace": request.namespace,
        "asked_by": request.asked_by,
        "reference": vault.system.seal(request.reference.encode(), request.id.bytes),
        "received_at": to_datetime(request.received_at),
        "due_at": to_datetime(request.due_at),
    }
    return _request((await connection.execute(_ADD, values)).one(), vault)


async def open_one(
    connection: Connection, vault: Vault, kind: Kind, subject: SubjectId
) -> Request | None:
    """One of the same that is not done yet."""
    row = (await connection.execute(_OPEN, {"kind": kind, "subject": subject})).first()
    return _request(row, vault) if row else None


async def find(connection: Connection, vault: Vault, request: uuid.UUID) -> Request | None:
    """One request."""
    row = (await connection.execute(_FIND, {"id": request})).first()
    return _request(row, vault) if row else None


async def listed(connection: Connection, vault: Vault, before: int, limit: int) -> list[Request]:
    """Newest first."""
    rows = await connection.execute(_LIST, {"before": before, "limit": limit})
    return [_request(row, vault) for row in rows]


async def take(connection: Connection, vault: Vault, now: Instant) -> Request | None:
    """The next one that there is something to do for."""
    row = (await connection.execute(_NEXT, {"now": to_datetime(now)})).first()
    return _request(row, vault) if row else None


async def put(connection: Connection, request: Request) -> None:
    """Note how far it is."""
    values = {
        "number": request.number,
        "status": request.status,
        "awaits": _json(request.awaits),
        "people": list(request.people),
        "result": _json(request.result),
        "attempts": request.attempts,
        "next_at": to_datetime(request.next_at),
        "reason": request.reason,
        "begun_at": None if request.begun_at is None else to_datetime(request.begun_at),
        "done_at": None if request.done_at is None else to_datetime(request.done_at),
        "receipt": request.receipt,
    }
    await connection.execute(_PUT, values)


async def suppressed_with(
    connection: Connection, subjects: Collection[SubjectId]
) -> set[SubjectId]:
    """Everybody who was suppressed by one request together with one of these."""
    rows = await connection.execute(_SUPPRESSED_WITH, {"subjects": list(subjects)})
    return {row[0] for row in rows}


async def await_anew(connection: Connection) -> None:
    """Positions that were noted mean nothing any more: in a restored log they are others."""
    await connection.execute(_AWAIT_ANEW)


async def put_part(connection: Connection, request: uuid.UUID, part: int, data: bytes) -> None:
    """Keep a part of an archive, sealed."""
    await connection.execute(_PUT_PART, {"request": request, "part": part, "data": data})


async def parts(connection: Connection, request: uuid.UUID) -> AsyncIterator[bytes]:
    """The parts of an archive in their order, sealed; none if it is not there any more."""
    part = 0
    while True:
        row = (await connection.execute(_PART, {"request": request, "part": part})).first()
        if row is None:
            return
        yield row[0]
        part += 1


async def has_archive(connection: Connection, request: uuid.UUID) -> bool:
    """Whether there is one still."""
    return bool((await connection.execute(_HELD, {"request": request})).scalar_one())


async def clear(connection: Connection, request: uuid.UUID) -> None:
    """Drop an archive, whole or begun."""
    await connection.execute(_CLEAR, {"request": request})


async def expire(connection: Connection, before: Instant) -> int:
    """Drop the archives of requests that were done before; returns how many parts went."""
    return (await connection.execute(_EXPIRE, {"before": to_datetime(before)})).rowcount


async def drop_of(connection: Connection, subjects: list[SubjectId]) -> int:
    """Drop the archives of these people; returns how many parts went."""
    return (await connection.execute(_DROP_OF, {"subjects": subjects})).rowcount


def new(
    kind: Kind,
    subject: SubjectId,
    namespace: str,
    *,
    asked_by: AskedBy,
    reference: str,
    at: Instant,
) -> Request:
    """A request that nobody knows of yet, due at once until its deadline is known."""
    return Request(
        number=0,
        id=uuid.uuid4(),
        kind=kind,
        subject=subject,
        namespace=namespace,
        asked_by=asked_by,
        reference=reference,
        status="received",
        received_at=at,
        due_at=at,
        awaits=None,
        people=(),
        result={},
        attempts=0,
        next_at=at,
        reason="",
        begun_at=None,
        done_at=None,
        receipt="",
    )


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _request(row: Row, vault: Vault) -> Request:
    found = Request(*row)
    return found._replace(
        reference=vault.system.open(row[6], found.id.bytes).decode(),
        received_at=from_datetime(row[8]),
        due_at=from_datetime(row[9]),
        result=found.result or {},
        next_at=from_datetime(row[14]),
        begun_at=None if row[16] is None else from_datetime(row[16]),
        done_at=None if row[17] is None else from_datetime(row[17]),
    )
