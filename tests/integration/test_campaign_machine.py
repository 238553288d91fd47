"""Random campaigns, caps, quiet hours, consent and clocks, against a slow and independent model."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from cdp.db import Database
from cdp.instance import Running
from tests.support.campaign_rig import Rig
from tests.support.campaign_samples import (
    CAMPAIGNS,
    EVENTS,
    FAILS,
    LONG,
    PACING,
    PEOPLE,
    SEGMENTS,
    STARTS,
    WHO,
    ZONES,
)
from tests.support.slow_campaigns import World
from tests.support.slow_clocks import MINUTE, UNITS, long

EXAMPLES = int(os.environ.get("CAMPAIGN_EXAMPLES", "0"))  # at random; else some, the same always
ENDS = ("refused", "parked")


class Machine(RuleBasedStateMachine):
    """Each example is one transaction, which is taken back."""

    database: Database
    runner: asyncio.Runner
    seen: ClassVar[Counter[str]] = Counter()  # by what became of messages, over all examples

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(self.database)
        self.run(self.rig.begin)
        self.count = itertools.count()
        self.received: set[bytes] = set()
        self.lenient = False  # what waits may go earlier than it was said, since rules changed

    def run(self, what: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return self.runner.run(what(*args))  # type: ignore[arg-type]

    @initialize(
        campaigns=CAMPAIGNS,
        pacing=PACING,
        zones=st.lists(st.sampled_from(ZONES), min_size=4, max_size=4),
        start=st.sampled_from(STARTS),
        refusing=st.lists(WHO, max_size=1),
    )
    def define(
        self,
        campaigns: list[dict[str, Any]],
        pacing: dict[str, Any],
        zones: list[str],
        start: int,
        refusing: list[bytes],
    ) -> None:
        self.rig.now = start
        self.world = World(dict(zip(PEOPLE, zones, strict=True)), 2 * UNITS["d"])
        self.campaigns = [
            each | {"key": f"c{number}", "paused": False} for number, each in enumerate(campaigns)
        ]
        self.rig.world = self.world
        for each in self.campaigns:
            said = {name: each[name] for name in each if name not in {"key", "paused"}}
            self.run(self.rig.define, each["key"], said)
        self._pace(pacing)
        self.world.said = [(who, "news", who not in refusing, start) for who in PEOPLE]

    def _pace(self, pacing: dict[str, Any]) -> None:
        self.world.pacing = pacing
        self.run(self.rig.pace, pacing)

    @rule(who=WHO, what=st.sampled_from(["news", "news.email", "news.push"]), yes=st.booleans())
    def decide(self, who: bytes, what: str, yes: bool) -> None:
        self.world.said.append((who, what, yes, self.rig.now))

    @rule(who=WHO, segment=st.sampled_from(SEGMENTS), again=st.booleans())
    def move(self, who: bytes, segment: str, again: bool) -> None:
        """Into a segment, or out of it; if `again` the platform is told twice."""
        who = self.world.who(who)
        inside = self.world.inside.setdefault(who, set())
        inside ^= {segment}
        on, number = "entered" if segment in inside else "left", next(self.count)
        cause = f"{segment} {number} timer"
        for each in self.campaigns:
            if each["trigger"] == {"segment": segment, "on": on}:
                self.world.begin(each, who, cause, self.rig.now)
        for _ in range(1 + again):
            self._look(who, [(segment, on, number)])

    @rule(number=st.integers(0, 2), by=LONG, fails=FAILS)
    def gather(self, number: int, by: str, fails: frozenset[int]) -> None:
        """After a while, all do what begins a campaign."""
        self.pass_time(by, fails)
        trigger = self.campaigns[number % len(self.campaigns)]["trigger"]
        for who in PEOPLE:
            if "event" in trigger:
                self.act(who, trigger["event"], 0)
            elif self.world.who(who) == who:
                self.move(who, trigger["segment"], False)
        self.deliver(fails)

    @rule(who=WHO, event=st.sampled_from(EVENTS), age=st.sampled_from([0, 0, MINUTE]))
    def act(self, who: bytes, event: str, age: int) -> None:
        root, at, number = self.world.who(who), self.rig.now - age, next(self.count)
        cause = self.run(self.rig.act, who, event, at, number)
        for each in self.campaigns:
            if each["trigger"] == {"event": event}:
                self.world.begin(each, root, cause, at)
        self.world.goal(root, event, at)
        self._look(root, [])

    def _look(self, who: bytes, entries: list[tuple[str, str, int]]) -> None:
        """What is requested of somebody is what the model requests, and once."""
        wanted = self.world.look(who, self.rig.now)
        found = self.run(self.rig.look, who, entries)
        told = sorted(
            (each.segment, each.cause, each.destination, n) for n, each in enumerate(found)
        )
        mine = sorted(wanted, key=lambda one: (one[1].campaign["key"], one[0], one[1].channel))
        assert [each[:3] for each in told] == [
            (one.campaign["key"], cause, one.channel) for cause, one in mine
        ]
        for (*_, place), (_, one) in zip(told, mine, strict=True):
            assert found[place].id not in self.world.messages
            self.world.messages[found[place].id] = one

    @rule()
    def wake(self) -> None:
        """Whom the clock wakes is whose way goes on."""
        woken = self.run(self.rig.wake)
        due = {
            self.world.who(way.who)
            for way in self.world.ways
            if way.state == "active" and way.due <= self.rig.now
        }
        going = {self.world.who(each) for each in woken}
        assert going <= due
        for who in sorted(going):
            self._look(who, [])

    @rule(fails=FAILS)
    def deliver(self, fails: frozenset[int]) -> None:
        """Of what is due goes what the model lets go; some of the tries fail."""
        claimed, going, sent = self.run(self.rig.deliver, fails)
        now = self.rig.now
        assert going == self.world.go(claimed, now)
        for each in going:
            message = self.world.messages[each]
            who = self.world.who(message.who)
            assert self.world.allows(who, message.purpose, message.channel, now)
            assert each not in self.received
            if message.purpose != "necessary":
                assert not self.world.is_quiet(message.channel, self.world.zones[who], now)
            message.tries += 1
            message.state = "sent" if each in sent else "waits again"
            if each not in sent and message.tries == 2:
                message.state, message.room = "parked", None
                self.world.fall_back(each, now)
        self.received |= sent
        self._compare()

    def _compare(self) -> None:
        """The ledger says of everything what became of it, and why it was not sent."""
        rows = self.run(self.rig.ledger)
        for each in rows.keys() - self.world.messages.keys():
            self.world.messages[each] = self.world.instead.pop(rows[each][3])
        assert not self.world.instead
        assert rows.keys() == self.world.messages.keys()
        for each, (state, reason, due, _) in rows.items():
            message = self.world.messages[each]
            assert (state == "sent") == (message.state == "sent")
            if state in {"refused", "parked"}:
                assert reason
                assert message.state == state
            elif state == "delayed":
                assert reason
                assert due > self.rig.now
                assert self.lenient or self.world.pacing.get("caps") or not self._could(each, due)

    def _could(self, each: bytes, due: int) -> bool:
        """Whether it could go a moment before it is due."""
        return self.world.is_time(self.world.messages[each], due - MINUTE)

    @rule(by=LONG, fails=FAILS)
    def pass_time(self, by: str, fails: frozenset[int]) -> None:
        self.rig.now += long(by)
        self.wake()
        self.deliver(fails)

    @rule(data=st.data(), by=LONG, crowd=st.lists(WHO, unique=True))
    def pause(self, data: st.DataObject, by: str, crowd: list[bytes]) -> None:
        """For a while, in which some do something."""
        each = data.draw(st.sampled_from(self.campaigns))
        for paused in (True, False):
            each["paused"] = paused
            self.run(self.rig.pause, each["key"], paused)
            if paused:
                for who in crowd:
                    self.act(who, data.draw(st.sampled_from(EVENTS)), 0)
                self.pass_time(by, frozenset())

    @rule(pacing=PACING)
    def pace(self, pacing: dict[str, Any]) -> None:
        self.lenient = True
        self._pace(pacing)

    @rule(one=WHO, other=WHO)
    def merge(self, one: bytes, other: bytes) -> None:
        """Two turn out to be one person; the earlier profile stays."""
        first, second = sorted((self.world.who(one), self.world.who(other)))
        if first != second:
            self.lenient = True  # they may live elsewhere now
            self.world.merge(first, second)

    def teardown(self) -> None:
        try:
            if hasattr(self, "world") and sys.exc_info()[0] is None:
                self._finish()
        finally:
            self.run(self.rig.end)

    def _finish(self) -> None:
        """In the end everybody is through, and everything was sent or says why not."""
        for _ in range(200):
            self.wake()
            self.deliver(frozenset())
            due = [way.due for way in self.world.ways if way.state == "active"]
            due += [row[2] for row in self.run(self.rig.ledger).values() if row[2] is not None]
            if not due:
                break
            self.rig.now = max(self.rig.now + 5 * MINUTE + 1, min(due))
        assert {each.state for each in self.world.messages.values()} <= {"sent", *ENDS}
        rows = self.run(self.rig.ledger).values()
        self.seen.update(f"{state} {reason}".split(":")[0].strip() for state, reason, *_ in rows)
        found = self.run(self.rig.journeys)
        assert {each: state for each, (state, _) in found.items()} == {
            (way.campaign["key"], way.cause): way.state for way in self.world.ways
        }
        assert all(why for state, why in found.values() if state in {"refused", "left"})


def test_nothing_goes_that_the_slow_model_holds_back(running: Running) -> None:
    with asyncio.Runner() as runner:
        Machine.runner, Machine.database = runner, Database(running.database_url)
        quick = settings(
            max_examples=EXAMPLES or 25,
            derandomize=not EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(Machine, settings=quick)  # type: ignore[no-untyped-call]
        runner.run(Machine.database.close())
    print(Machine.seen)
    reached = {"sent", "refused consent", "refused cap", "parked HTTP 500"}
    assert reached <= Machine.seen.keys(), Machine.seen
