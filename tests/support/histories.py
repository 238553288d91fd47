"""Lets a random history happen to an instance, and notes by itself what was acknowledged and sent.

What is noted knows nothing of how the platform decides: only what people said, in which order it
was acknowledged, what reached the receiver, who was one person then, and what the ledger cited.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg

from cdp import main, times
from cdp.instance import Running
from cdp.log import store as log_store
from cdp.log.keyring import Opened
from tests.support.instances import Api
from tests.support.receiver import Answer, Receiver, Request

MINUTE = 60 * times.SECOND
_ABOUT = """
    select d.purpose, d.kind, d.consent, array(
        select m.id from nodes n join nodes m on m.profile = n.profile where n.id = d.profile)
      from deliveries d where d.id = %s
"""


class Said(NamedTuple):
    """A decision, once it was acknowledged; `node` is the hash of whose it is."""

    node: bytes
    purpose: str
    granted: bool
    at: int


class Sent(NamedTuple):
    """A request that reached the receiver, when so many decisions had been acknowledged."""

    purpose: str
    kind: str
    cited: dict[str, Any]
    person: frozenset[bytes]
    acknowledged: int


@dataclass
class History:
    """One instance's, with a receiver that fails as often as `failures` says."""

    api: Api
    running: Running
    hook: Receiver
    failures: Iterator[bool]
    said: list[Said] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    clock: int = field(default_factory=lambda: times.now() - 10_000 * MINUTE)

    def __post_init__(self) -> None:
        url = self.api.instance.core.database.url.replace("+psycopg", "", 1)
        self._database = psycopg.connect(url, autocommit=True)
        self.hook.answer = self._received

    def close(self) -> None:
        self._database.close()

    def _received(self, request: Request) -> Answer:
        """Nothing else moves meanwhile: who is one person now was so when it was checked."""
        name = bytes.fromhex(request.headers["webhook-id"].replace("-", ""))
        row = self._database.execute(_ABOUT, [name]).fetchone()
        assert row is not None
        purpose, kind, cited, person = row
        self.sent.append(Sent(purpose, kind, cited, frozenset(person), len(self.said)))
        return (500 if next(self.failures) else 200), {}

    async def happen(self, what: tuple[Any, ...]) -> None:
        """One thing; names of methods, and what they take."""
        self.clock += 2 * MINUTE  # what is said within a minute may count as said at once
        await getattr(self, what[0])(*what[1:])

    async def decide(self, who: str, purpose: str, granted: bool, ago: int) -> None:
        """By the API; perhaps told later than it was taken."""
        at = self.clock - ago * 7 * MINUTE
        state = "granted" if granted else "denied"
        body = {"purpose": purpose, "state": state, "at": times.iso(at), "notice": f"n{at}"}
        await self.api.put(f"/consent/{who}", body)
        self._note(who, purpose, granted, at)

    async def stamp(self, who: str, purpose: str, granted: bool) -> None:
        """On an event."""
        consent = {"categoryPreferences": {purpose: granted}}
        await self._track(who, "Seen", {"consent": consent})
        self._note(who, purpose, granted, self.clock)

    async def order(self, who: str) -> None:
        """What lets people into segments."""
        await self._track(who, "Order Completed", {})

    async def link(self, user: str, device: str) -> None:
        """A log-in."""
        ids = {"userId": user.partition(":")[2], "anonymousId": device.partition(":")[2]}
        call = ids | {"timestamp": times.iso(self.clock)}
        assert (await self.api.send("/v1/identify", call)).is_success

    async def unlink(self, user: str, device: str) -> None:
        """An operator's word; refused where one of them is not known yet."""
        word = {"a": user, "b": device, "reason": "they are two"}
        await self.api.call("POST", "/identity/unlink", json=word)

    async def step(self, stage: int, most: int) -> None:
        """An agent handles a few records."""
        driver = self.api.instance.driver
        await driver.step(driver.stages[stage], most)

    async def retry(self) -> None:
        """The time of every next try comes."""
        self._database.execute("update deliveries set due = 0 where due is not null")
        await self.api.instance.driver.jobs.retry_deliveries()

    async def replay(self) -> None:
        """All state is made anew from the log."""
        instance = self.api.instance
        async with main.replaying(instance.settings, self.running) as replay:
            await replay.replace()

    async def settle(self) -> None:
        """Everything is handled."""
        await self.api.settle()

    async def _track(self, who: str, name: str, context: dict[str, Any]) -> None:
        call = {
            "userId" if who.startswith("user_id:") else "anonymousId": who.partition(":")[2],
            "event": name,
            "timestamp": times.iso(self.clock),
            "context": context,
        }
        assert (await self.api.send("/v1/track", call)).is_success

    def _note(self, who: str, purpose: str, granted: bool, at: int) -> None:
        self.said.append(Said(self._node(who), purpose, granted, at))

    def _node(self, who: str) -> bytes:
        namespace, _, value = who.partition(":")
        return self.api.instance.core.vault.subject(namespace, value)

    async def fact(self, name: str) -> Opened:
        """A fact as it lies in the log."""
        core = self.api.instance.core
        async with core.database.transaction() as connection:
            rows = await log_store.by_id(connection, [bytes.fromhex(name)])
            (found,) = await core.keyring.open_events(connection, rows)
        return found

    def ledger(self) -> list[tuple[str, dict[str, Any]]]:
        """State and citation of every delivery."""
        return self._database.execute("select state, consent from deliveries").fetchall()


def grants(fact: Opened, purpose: str) -> bool | None:
    """What a fact says of a purpose, read in our own way; None if nothing."""
    event = fact.event
    if event.type == "consent":
        said = event.properties
        return said["state"] == "granted" if said["purpose"] == purpose else None
    found: bool | None = event.context["consent"]["categoryPreferences"].get(purpose)
    return found
