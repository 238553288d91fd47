"""The preference centre's SQL: links taken back, the brand, and what people said on its pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import Instant, SubjectId
from cdp.facts import API_SOURCE
from cdp.log.store import Record

_REVOKE = named(
    """
    insert into link_revocations (subject, scope, before)
    select cast(:subject as bytea), unnest(cast(:scopes as text[])), cast(:before as bigint)
    on conflict (subject, scope) do update
       set before = greatest(link_revocations.before, excluded.before)
    """
)
_REVOKED = named("select before from link_revocations where subject = :subject and scope = :scope")
_BRAND = named("select name, color, logo, address, privacy_url from brand")
_PUT_BRAND = named(
    """
    insert into brand (name, color, logo, address, privacy_url)
    values (:name, :color, :logo, :address, :privacy_url)
    on conflict (one) do update
       set name = excluded.name, color = excluded.color, logo = excluded.logo,
           address = excluded.address, privacy_url = excluded.privacy_url, updated_at = now()
    """
)
# SDKs' stamps are consent facts too, and there may be thousands: these are the platform's own.
_TOLD = named(
    """
    select "offset", subject, id, payload from events
     where consent and subject = any(:subjects) and source = :source order by at, id
    """
)


class Brand(NamedTuple):
    """Whose pages these are; `logo` is a data URL, so that no page asks anybody for it."""

    name: str = ""
    color: str = "#1f5f8b"
    logo: str = ""
    address: str = ""
    privacy_url: str = ""


async def revoke(
    connection: Connection, subject: SubjectId, scopes: Sequence[str], before: Instant
) -> None:
    """Take back every link of these scopes that was issued up to then."""
    values = {"subject": subject, "scopes": list(scopes), "before": before}
    await connection.execute(_REVOKE, values)


async def revoked(connection: Connection, subject: SubjectId, scope: str) -> Instant:
    """Links that were issued up to then are taken back; before all of time if none are."""
    values = {"subject": subject, "scope": scope}
    found = (await connection.execute(_REVOKED, values)).scalar_one_or_none()
    return -1 if found is None else int(found)


async def brand(connection: Connection) -> Brand:
    """How the pages look."""
    row = (await connection.execute(_BRAND)).first()
    return Brand(*row) if row else Brand()


async def put_brand(connection: Connection, content: Brand) -> None:
    """Let them look otherwise."""
    await connection.execute(_PUT_BRAND, content._asdict())


async def told(connection: Connection, subjects: Collection[SubjectId]) -> list[Record]:
    """What was said of consent on purpose, by API and on these pages, oldest first."""
    values = {"subjects": list(subjects), "source": API_SOURCE}
    return [Record(*row) for row in await connection.execute(_TOLD, values)]
