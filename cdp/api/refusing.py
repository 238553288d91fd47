"""Says no to the collector's callers before anything is made of what they send.

Beyond its limit a collector does little but refuse, so a refusal must cost next to nothing: it is
written as soon as the head is there, and the body is read past.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, lru_cache
from typing import Any

import msgspec
from prometheus_client import Counter

from cdp import metrics
from cdp.collect.admission import Admission
from cdp.errors import Overloaded


class Refusing:
    """`admission` says who is let in; `paths` are those it goes for."""

    def __init__(self, admission: Admission, paths: Collection[str]) -> None:
        self._admission = admission
        self._paths = frozenset(paths)

    def answer(self, path: str, scope: Any) -> bytes | None:
        """All of the answer, if it is no. A page's request takes the long way: it is owed CORS."""
        if path not in self._paths:
            return None
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        try:
            self._admission.enter(scope, int(length) if length.isdigit() else 0)
        except Overloaded as no:
            if b"origin" in headers:
                return None
            _count(path).inc()
            return _written(no.detail, no.retry_after)
        return None


@cache
def _count(path: str) -> Counter:
    return metrics.requests.labels("POST", path, Overloaded.status)


@lru_cache
def _written(detail: str, retry_after: int) -> bytes:
    code = Overloaded.title.lower().replace(" ", "_")
    body = msgspec.json.encode({"code": code, "message": detail})
    head = (
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
        f"retry-after: {retry_after}\r\nx-content-type-options: nosniff\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
