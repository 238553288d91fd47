"""What carries the request of a connector: our own wire, or one of httpx's clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import httpx

# Hears what a request comes to, by the names that httpcore has for it; what it raises ends it.
Look: TypeAlias = Callable[[str, Any], Awaitable[None]]


class Poster(Protocol):
    """Raises httpx's errors, whatever it is."""

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, look: Look
    ) -> tuple[int, str | None]:
        """One request: the status of the answer, and its Retry-After."""


@dataclass(frozen=True, slots=True)
class ByClient:
    """Over whatever transport the client has."""

    client: httpx.AsyncClient

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, look: Look
    ) -> tuple[int, str | None]:
        """One request, whose answer's body is not read."""
        async with self.client.stream(
            method, url, content=body, headers=dict(headers), extensions={"trace": look}
        ) as answer:
            return answer.status_code, answer.headers.get("retry-after")
