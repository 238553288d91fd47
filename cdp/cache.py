"""Unified views in Redis or Valkey: sealed, versioned, and never needed for the right answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

from cdp.events import Box, ProfileId

_PREFIX = b"view:"
_VERSION = 8  # bytes of the profile's version in front of a view
_SUBJECT = 16  # then whose key it is sealed with

log = structlog.get_logger(__name__)


class Views:
    """Views by profile. A view counts only if its version is the profile's current one."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)

    async def put(
        self, views: Mapping[ProfileId, tuple[bytes, Box, Mapping[str, Any]]], version: int
    ) -> None:
        """Store views; each comes with the subject and the key that seal it."""
        if not views:
            return
        sealed = {}
        for profile, (subject, box, view) in views.items():
            data = box.pack(msgspec.msgpack.encode(view), _PREFIX + profile)
            sealed[_PREFIX + profile] = version.to_bytes(_VERSION) + subject + data
        try:
            await self._redis.mset(sealed)
        except RedisError as error:
            log.warning("views_not_cached", error=type(error).__name__, views=len(sealed))

    async def get(self, versions: Mapping[ProfileId, int]) -> dict[ProfileId, tuple[bytes, bytes]]:
        """The current ones among these profiles' views, still sealed: (subject, data)."""
        profiles: Sequence[ProfileId] = list(versions)
        if not profiles:
            return {}
        try:
            keys = [_PREFIX + profile for profile in profiles]
            stored = cast("list[bytes | None]", await self._redis.mget(keys))
        except RedisError as error:
            log.warning("views_not_read", error=type(error).__name__)
            return {}
        found: dict[ProfileId, tuple[bytes, bytes]] = {}
        for profile, value in zip(profiles, stored, strict=True):
            if value and int.from_bytes(value[:_VERSION]) == versions[profile]:
                body = value[_VERSION:]
                found[profile] = (body[:_SUBJECT], body[_SUBJECT:])
        return found

    def open(self, profile: ProfileId, data: bytes, box: Box) -> dict[str, Any]:
        """A view in clear."""
        view: dict[str, Any] = msgspec.msgpack.decode(box.unpack(data, _PREFIX + profile))
        return view

    async def clear(self) -> None:
        """Forget every view: after a replay they are rebuilt as they are read."""
        await self._redis.flushdb()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
