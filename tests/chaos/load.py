"""Senders as SDKs are: they repeat a batch until it is acknowledged, and only then send the next.

Every message has an instant of its own, so the checker finds it in the log without our keys. Each
person belongs to one sender, so the order in which their messages were sent is known.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

TRANSIENT = {408, 429, 500, 502, 503, 504}
_DAY = 86_400_000_000  # microseconds
_STEP = 1_000  # SDKs tell milliseconds
_WHILE = 5_000_000  # what just happened did not happen after it was received


def _instants(before: int) -> Iterator[int]:
    """No two alike in all of a run, counted on from some time ago."""
    last = 0
    while True:
        now = time.time_ns() // 1_000_000 * _STEP
        last = max(last + _STEP, now - before if before < _DAY else 0) if last else now - before
        yield last


_yesterday, _just_now = _instants(_DAY), _instants(_WHILE)


@dataclass
class Message:
    """One event: whose, and which instant it says it happened at, in microseconds."""

    user: str
    at: int
    acknowledged: bool = False

    def wire(self) -> dict[str, Any]:
        """As it is sent."""
        instant = datetime.datetime.fromtimestamp(self.at / 1e6, datetime.UTC)
        call = {"type": "track", "event": "Tick", "userId": self.user}
        call |= {"anonymousId": f"device of {self.user}", "messageId": f"at {self.at}"}
        return call | {"timestamp": instant.isoformat(timespec="milliseconds")}


@dataclass
class Load:
    """What is sent, and what became of it. `live`: it says it happens now, else a day ago."""

    urls: list[str]
    write_key: str
    people: int = 400
    batch: int = 50
    senders: int = 4
    pause: float = 0.1
    prefix: str = "u"
    live: bool = False
    messages: list[Message] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Send until `stop`, and then until everything sent is acknowledged."""
        headers = {"x-write-key": self.write_key}
        limits = httpx.Limits(max_connections=self.senders)
        async with httpx.AsyncClient(
            headers=headers, timeout=25, trust_env=False, limits=limits
        ) as client:
            await asyncio.gather(*(self._sender(client, n) for n in range(self.senders)))

    async def say(self, users: Sequence[str], devices: Sequence[str] = ()) -> None:
        """One message of each, at once; returns when they are acknowledged."""
        headers = {"x-write-key": self.write_key}
        batch = [self._message(user) for user in users]
        calls = [message.wire() for message in batch]
        for call, device in zip(calls, devices, strict=False):
            call["anonymousId"] = device
        body = {"batch": calls}
        async with httpx.AsyncClient(headers=headers, timeout=25, trust_env=False) as client:
            while not await self._acknowledged(client, self.urls[0], body):
                await asyncio.sleep(0.1)
        for message in batch:
            message.acknowledged = True

    def stop(self) -> None:
        """Send nothing new."""
        self._stop.set()

    @property
    def acknowledged(self) -> int:
        """How many messages are known to be kept."""
        return sum(message.acknowledged for message in self.messages)

    async def _sender(self, client: httpx.AsyncClient, sender: int) -> None:
        users = itertools.cycle(range(sender, self.people, self.senders))
        urls = itertools.cycle(self.urls[sender % len(self.urls) :] + self.urls)
        while not self._stop.is_set():
            batch = [self._message(f"{self.prefix}{next(users)}") for _ in range(self.batch)]
            body = {"batch": [message.wire() for message in batch]}
            while not await self._acknowledged(client, next(urls), body):
                await asyncio.sleep(0.1)
            for message in batch:
                message.acknowledged = True
            await asyncio.sleep(self.pause)

    def _message(self, user: str) -> Message:
        message = Message(user, next(_just_now if self.live else _yesterday))
        self.messages.append(message)
        return message

    async def _acknowledged(self, client: httpx.AsyncClient, url: str, body: Any) -> bool:
        try:
            answer = await client.post(f"{url}/v1/batch", json=body)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            return False
        self.answers[str(answer.status_code)] += 1
        if answer.status_code != 200 and answer.status_code not in TRANSIENT:
            raise AssertionError(f"{answer.status_code}: {answer.text}")
        return answer.status_code == 200
