"""The SQL of templates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from activation.templates.model import Template
from activation.templates.schema import TemplateSchema, template_of
from cdp.db import Connection, named

_ALL = named(
    "select t.key, t.version, cast(v.config as text), cast(v.source as text) from templates t"
    " join template_versions v using (key, version) order by key"
)
_SOME = named(
    "select t.key, t.version, cast(v.config as text), cast(v.source as text) from templates t"
    " join template_versions v using (key, version) where t.key = any(:keys)"
)
_VERSIONS = named(
    "select version, cast(coalesce(source, config) as text), made_at from template_versions"
    " where key = :key order by version desc"
)
_PUT = named(
    """
    with made as (
        insert into template_versions (key, version, config, source)
        select :key, coalesce(max(version), 0) + 1, cast(:config as json), cast(:source as json)
          from template_versions where key = :key
        returning version)
    insert into templates (key, version) select :key, version from made
    on conflict (key) do update set version = excluded.version, updated_at = now()
    """
)
_DELETE = named("delete from templates where key = :key returning key")


async def written(connection: Connection) -> list[tuple[Template, dict[str, Any]]]:
    """Every template, and as it was written."""
    rows = await connection.execute(_ALL)
    return [(_template(*row[:3]), msgspec.json.decode(row[3] or row[2])) for row in rows]


async def find(connection: Connection, key: str) -> tuple[Template, dict[str, Any]] | None:
    """One, and as it was written."""
    row = (await connection.execute(_SOME, {"keys": [key]})).first()
    return None if row is None else (_template(*row[:3]), msgspec.json.decode(row[3] or row[2]))


async def some(connection: Connection, keys: Collection[str]) -> dict[str, Template]:
    """Those of these that there are."""
    rows = await connection.execute(_SOME, {"keys": list(keys)})
    return {row[0]: _template(*row[:3]) for row in rows}


async def versions(connection: Connection, key: str) -> list[tuple[int, dict[str, Any], Any]]:
    """What one was and is, the latest first; also of one that was deleted."""
    rows = await connection.execute(_VERSIONS, {"key": key})
    return [(row[0], msgspec.json.decode(row[1]), row[2]) for row in rows]


async def put(
    connection: Connection, key: str, config: Mapping[str, Any], source: Mapping[str, Any]
) -> None:
    """A new version, for what is sent from now on; `source` is as it was written."""
    written = None if source == config else msgspec.json.encode(source).decode()
    values = {"key": key, "config": msgspec.json.encode(config).decode(), "source": written}
    await connection.execute(_PUT, values)


async def delete(connection: Connection, key: str) -> bool:
    """Remove one; what asks for it is parked then."""
    return (await connection.execute(_DELETE, {"key": key})).first() is not None


@lru_cache(maxsize=1000)
def _template(key: str, version: int, config: str) -> Template:
    return template_of(key, version, TemplateSchema().load(msgspec.json.decode(config)))
