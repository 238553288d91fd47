"""Sending to a collector that does not always want to: what is tried again, and how soon."""

from __future__ import annotations

import httpx
import pytest

from cdp.errors import ConfigurationError, StoreUnavailable
from cdp.importing.sending import Refusal, Sender, retry_after, wait_seconds


class Collector:
    """Answers in turn what it is told to; an exception is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.pauses: list[float] = []
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def send(self, patience: float = 60.0) -> list[Refusal]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as client:
            sender = Sender(client, "http://cdp.test", "key", print, patience, self.sleep)
            return await sender.send(b'{"batch":[]}')


async def test_what_may_pass_is_tried_again() -> None:
    statuses = [408, 410, 429, 460, 500, 503]
    collector = Collector(
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        *(httpx.Response(status) for status in statuses),
        httpx.Response(200),
    )
    assert await collector.send() == []
    assert len(collector.pauses) == 8
    assert collector.pauses[-1] > collector.pauses[0]
    assert collector.asked[-1].headers["authorization"] == httpx.BasicAuth("key", "")._auth_header


async def test_retry_after_is_the_least_pause() -> None:
    collector = Collector(httpx.Response(503, headers={"retry-after": "7"}), httpx.Response(200))
    await collector.send()
    assert collector.pauses == [7.0]


async def test_patience_ends() -> None:
    collector = Collector(httpx.Response(429, headers={"retry-after": "99"}))
    with pytest.raises(StoreUnavailable, match="answers 429, for 60 s now"):
        await collector.send()


async def test_refused_messages_are_told_by_their_number() -> None:
    results = [
        {"messageId": "a", "status": "accepted", "reason": ""},
        {"messageId": "b", "status": "refused", "reason": "event: is missing"},
    ]
    collector = Collector(httpx.Response(400, json={"results": results}))
    assert await collector.send() == [Refusal(1, "event: is missing")]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "cdp.test does not take this write key"),
        (413, "the collector answers 413: too much"),
        (404, "the collector answers 404"),
    ],
)
async def test_what_does_not_pass_is_told_at_once(status: int, told: str) -> None:
    body = {"detail": "too much"} if status == 413 else {}
    collector = Collector(httpx.Response(status, json=body))
    with pytest.raises(ConfigurationError, match=told):
        await collector.send()
    assert collector.pauses == []


def test_pauses() -> None:
    assert wait_seconds(0, None, 0.0) == 0.125
    assert wait_seconds(0, None, 1.0) == 0.25
    assert wait_seconds(50, None, 1.0) == 15.0
    assert wait_seconds(0, 30.0, 0.5) == 30.0
    assert retry_after("12", 0.0) == 12.0
    assert retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 40.0) == 20.0
    assert retry_after("soon", 0.0) is None
    assert retry_after(None, 0.0) is None
