"""Unified views in Redis or Valkey: sealed, versioned, and never needed for the right answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

from cdp.errors import StoreUnavailable
from cdp.events import Box, ProfileId, SubjectId

_PREFIX = b"view:"
_VERSION = 8  # bytes of the profile's version in front of a view
_SUBJECT = 16  # then whose key it is sealed with

log = structlog.get_logger(__name__)


class View(NamedTuple):
    """A profile as it is shown, and the subject whose key seals it."""

    subject: SubjectId
    content: dict[str, Any]


class Views:
    """Views by profile. A view counts only if its version is the profile's current one."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)

    def seal(self, profile: ProfileId, view: View, box: Box, version: int) -> bytes:
        """A view as it is stored; `box` is of the subject that it names."""
        data = box.pack(msgspec.msgpack.encode(view.content), _PREFIX + profile)
        return version.to_bytes(_VERSION) + view.subject + data

    async def put(self, sealed: Mapping[ProfileId, bytes]) -> None:
        """Store sealed views."""
        if not sealed:
            return
        try:
            await self._redis.mset({_PREFIX + profile: data for profile, data in sealed.items()})
        except RedisError as error:
            log.warning("views_not_cached", error=type(error).__name__, views=len(sealed))

    async def get(
        self, versions: Mapping[ProfileId, int]
    ) -> dict[ProfileId, tuple[SubjectId, bytes]]:
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
        found: dict[ProfileId, tuple[SubjectId, bytes]] = {}
        for profile, value in zip(profiles, stored, strict=True):
            if value and int.from_bytes(value[:_VERSION]) == versions[profile]:
                body = value[_VERSION:]
                found[profile] = (body[:_SUBJECT], body[_SUBJECT:])
        return found

    def open(self, profile: ProfileId, data: bytes, box: Box) -> dict[str, Any]:
        """A view in clear."""
        view: dict[str, Any] = msgspec.msgpack.decode(box.unpack(data, _PREFIX + profile))
        return view

    async def drop(self, profiles: Sequence[ProfileId]) -> None:
        """Forget these profiles' views; StoreUnavailable if they may still be there."""
        try:
            await self._redis.delete(*(_PREFIX + profile for profile in profiles))
        except RedisError as error:
            raise StoreUnavailable(f"views are not dropped: {type(error).__name__}") from error

    async def clear(self) -> None:
        """Forget every view: after a replay they are rebuilt as they are read."""
        await self._redis.flushdb()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
