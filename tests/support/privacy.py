"""Privacy requests in tests: asked for over HTTP, and followed to their end."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.instances import Api


async def ask(api: Api, kind: str, who: str, **more: Any) -> dict[str, Any]:
    """A request as it was taken in."""
    body = {"kind": kind, "identifier": who} | more
    answer = await api.call("POST", "/privacy/requests", json=body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def done(api: Api, kind: str, who: str, **more: Any) -> dict[str, Any]:
    """A request that is done."""
    asked = await ask(api, kind, who, **more)
    return await followed(api, asked["id"])


async def followed(api: Api, request_id: str) -> dict[str, Any]:
    """One until it is done: what has to wait for a moment comes again in another."""
    async with asyncio.timeout(20):
        while True:
            await api.settle()
            found = await request(api, request_id)
            if found["status"] == "done":
                return found
            assert found["status"] == "running", found
            await asyncio.sleep(0.05)


async def request(api: Api, request_id: str) -> dict[str, Any]:
    """How far a request is."""
    return dict(await api.get(f"/privacy/requests/{request_id}"))
