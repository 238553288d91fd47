"""The SQL of campaigns as they were written: each change makes a version."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from activation.campaigns.model import Campaign
from activation.campaigns.schema import CampaignSchema, campaign_of
from cdp.db import Connection, named
from cdp.errors import NotFound

_LIVE = named(
    "select c.key, c.version, c.paused, cast(v.config as text) from campaigns c"
    " join campaign_versions v using (key, version) order by key"
)
_VERSION = named(
    "select v.key, v.version, c.paused, cast(v.config as text) from campaign_versions v"
    " join campaigns c on c.key = v.key"
    " join unnest(cast(:keys as text[]), cast(:versions as int[])) w(key, version)"
    "   on w.key = v.key and w.version = v.version"
)
_VERSIONS = named(
    "select version, cast(config as text), made_at from campaign_versions where key = :key"
    " order by version desc"
)
_PUT = named(
    """
    with made as (
        insert into campaign_versions (key, version, config)
        select :key, coalesce(max(version), 0) + 1, cast(:config as json)
          from campaign_versions where key = :key
        returning version)
    insert into campaigns (key, version) select :key, version from made
    on conflict (key) do update set version = excluded.version, updated_at = now()
    returning version
    """
)
_PAUSE = named(
    "update campaigns set paused = :paused, updated_at = now() where key = :key returning key"
)
_DELETE = named("delete from campaigns where key = :key returning key")
_END_ALL = named(
    "update journeys set state = 'left', reason = 'deleted', due = null"
    " where campaign = :key and state = 'active'"
)


async def live(connection: Connection) -> list[Campaign]:
    """Every campaign in its latest version."""
    return [_campaign(*row) for row in await connection.execute(_LIVE)]


async def find(connection: Connection, key: str) -> tuple[Campaign, dict[str, Any]] | None:
    """One, and as it was written."""
    return next((each for each in await written(connection) if each[0].key == key), None)


async def known(connection: Connection, key: str) -> tuple[Campaign, dict[str, Any]]:
    """Likewise; NotFound if there is none."""
    found = await find(connection, key)
    if found is None:
        raise NotFound(f"there is no campaign {key}")
    return found


async def of_versions(
    connection: Connection, wanted: Collection[tuple[str, int]]
) -> dict[tuple[str, int], Campaign]:
    """Campaigns as they were; not of those that are deleted."""
    values = {"keys": [key for key, _ in wanted], "versions": [each for _, each in wanted]}
    found = [_campaign(*row) for row in await connection.execute(_VERSION, values)]
    return {(each.key, each.version): each for each in found}


async def written(connection: Connection) -> list[tuple[Campaign, dict[str, Any]]]:
    """Every campaign, and as it was written."""
    rows = await connection.execute(_LIVE)
    return [(_campaign(*row), msgspec.json.decode(row[3])) for row in rows]


async def versions(connection: Connection, key: str) -> list[tuple[int, dict[str, Any], Any]]:
    """What one was and is, the latest first; also of one that was deleted."""
    rows = await connection.execute(_VERSIONS, {"key": key})
    return [(row[0], msgspec.json.decode(row[1]), row[2]) for row in rows]


async def put(connection: Connection, key: str, config: Mapping[str, Any]) -> int:
    """A new version; returns its number. Journeys under way go on with theirs."""
    values = {"key": key, "config": msgspec.json.encode(config).decode()}
    version: int = (await connection.execute(_PUT, values)).scalar_one()
    return version


async def pause(connection: Connection, key: str, *, paused: bool) -> bool:
    """Let nobody begin, and nobody go on; or again. False if there is none."""
    values = {"key": key, "paused": paused}
    return (await connection.execute(_PAUSE, values)).first() is not None


async def delete(connection: Connection, key: str) -> bool:
    """Remove one, and end all journeys; what they were stays."""
    await connection.execute(_END_ALL, {"key": key})
    return (await connection.execute(_DELETE, {"key": key})).first() is not None


@lru_cache(maxsize=1000)
def _campaign(key: str, version: int, paused: bool, config: str) -> Campaign:
    loaded = CampaignSchema().load(msgspec.json.decode(config))
    return campaign_of(key, version, loaded, paused=paused)
