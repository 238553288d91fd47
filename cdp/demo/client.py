"""The management API as the demo uses it; everything it finds out comes through this door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec

from cdp.errors import CdpError

_PAGE = 1000


class Client:
    """Calls with the API key; CdpError for an answer that is no success."""

    def __init__(self, url: str, write_key: str, api_key: str) -> None:
        headers = {"authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30.0, trust_env=False)
        self._write_key = write_key

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def put(self, path: str, body: object) -> dict[str, Any]:
        """Define something."""
        return self._call("PUT", path, json=body)

    def profile(self, ref: str) -> dict[str, Any]:
        """A person."""
        return self._call("GET", f"/profiles/{ref}")

    def members(self, segment: str) -> list[dict[str, Any]]:
        """Everybody in a segment, with their identifiers."""
        accept = {"accept": "application/x-ndjson"}
        answer = self._http.get(f"/api/v1/segments/{segment}/members", headers=accept)
        return [msgspec.json.decode(line) for line in _good(answer).content.splitlines() if line]

    def deliveries(self, destination: str) -> Iterator[dict[str, Any]]:
        """The ledger of one destination."""
        query = {"destination": destination, "limit": str(_PAGE)}
        while True:
            page = self._call("GET", "/deliveries", params=query)
            yield from page["deliveries"]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def track(self, call: dict[str, Any]) -> None:
        """Send one event as an SDK does."""
        _good(self._http.post("/v1/track", json=call, auth=(self._write_key, "")))

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = _good(self._http.request(method, f"/api/v1{path}", **options))
        return msgspec.json.decode(answer.content, type=dict[str, Any])


def _good(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        asked = f"{answer.request.method} {answer.request.url.path}"
        raise CdpError(f"{asked} is answered {answer.status_code}: {answer.text[:300]}")
    return answer
