"""No delivery exists whose purpose was denied when it was sent, and what it cites proves that.

Random histories of decisions, stamps, links, unlinks, replays, partial progress of the agents,
sends and failures; then each request that reached the receiver is held against what had been
acknowledged.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp import times
from tests.support.histories import History, Sent, grants
from tests.support.instances import api_on, instance_on
from tests.support.receiver import receiving
from tests.support.stores import Stores

PEOPLE = ["user_id:u0", "user_id:u1"]
DEVICES = ["anonymous_id:a0", "anonymous_id:a1"]
BY_DEFAULT = {"marketing_email": False, "personalization": True}

Thing: TypeAlias = tuple[Any, ...]

who = st.sampled_from([*PEOPLE, *DEVICES])
purpose = st.sampled_from(sorted(BY_DEFAULT))
decide = st.tuples(st.just("decide"), who, purpose, st.booleans(), st.sampled_from([0, 0, 0, 1, 3]))
stamp = st.tuples(st.just("stamp"), who, purpose, st.booleans())
order = st.tuples(st.just("order"), who)
link = st.tuples(st.just("link"), st.sampled_from(PEOPLE), st.sampled_from(DEVICES))
unlink = st.tuples(st.just("unlink"), st.sampled_from(PEOPLE), st.sampled_from(DEVICES))
step = st.tuples(st.just("step"), st.sampled_from([0, 1, 2]), st.sampled_from([1, 2, 100]))
rarely = st.sampled_from([("settle",), ("settle",), ("retry",), ("retry",), ("replay",)])
one = st.one_of(decide, stamp, order, link, unlink, step, step, rarely).map(lambda each: [each])
FOLD: list[Thing] = [("step", 0, 100), ("step", 1, 100)]
SEND: Thing = ("step", 2, 100)


def reentering(name: str, about: str) -> list[Thing]:
    """Somebody leaves by a no and comes back by a yes: something waits to be sent to them."""
    no, yes = (("decide", name, about, allowed, 0) for allowed in (False, True))
    return [no, *FOLD, SEND, yes, *FOLD]


again = st.builds(reentering, who, purpose)
# And then somebody says no, perhaps the same person by another name, before it is sent.
race = st.builds(
    lambda name, other, about, how: [
        *reentering(name, about),
        (how, other, about, False, 0)[: 5 if how == "decide" else 4],
        SEND,
    ],
    who,
    who,
    purpose,
    st.sampled_from(["decide", "stamp"]),
)
histories = st.lists(st.one_of(one, one, one, one, again, race), min_size=4, max_size=20).map(
    lambda several: [each for some in several for each in some]
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories, st.lists(st.booleans(), max_size=6))
async def test_nothing_is_sent_that_was_denied_and_citations_prove_it(
    stores: Stores, tmp_path: Path, history: list[Thing], failures: list[bool]
) -> None:
    running = stores.fresh()
    async with (
        instance_on(running, tmp_path) as instance,
        api_on(instance) as api,
        receiving() as hook,
    ):
        lived = History(api, running, hook, itertools.chain(failures, itertools.repeat(False)))
        try:
            await everybody_is_told_of(lived)
            for what in history:
                await lived.happen(what)
            await lived.happen(("retry",))
            await lived.happen(("settle",))
            for sent in lived.sent:
                if sent.kind == "entered":
                    await holds(lived, sent)
            await refusals_say_what_was_missing(lived)
        finally:
            lived.close()


async def everybody_is_told_of(lived: History) -> None:
    """Segments for both purposes, all of them sent on; and one to a destination with its own."""
    for key in BY_DEFAULT:
        where = {"event": "Order Completed"}
        await lived.api.put(f"/segments/{key}", {"name": key, "purpose": key, "where": where})
    url = lived.hook.url
    await lived.api.put("/destinations/all", {"kind": "webhook", "url": url, "timeout": 5.0})
    of_one = {"segments": ["personalization"], "purpose": "marketing_email"}
    await lived.api.put("/destinations/one", {"kind": "webhook", "url": url} | of_one)
    for name in (*PEOPLE, *DEVICES):
        await lived.happen(("order", name))
    await lived.happen(("settle",))


async def holds(lived: History, sent: Sent) -> None:
    """The latest word of the person, of all that were acknowledged before, is the cited yes."""
    told = [
        each
        for each in lived.said[: sent.acknowledged]
        if each.purpose == sent.purpose and each.node in sent.person
    ]
    if not told:
        assert BY_DEFAULT[sent.purpose]
        assert (sent.cited["because"], sent.cited["fact"]) == ("default", None)
        return
    last = max(told, key=lambda each: (each.at, not each.granted))
    assert last.granted, (sent, told)
    fact = await lived.fact(sent.cited["fact"])
    assert grants(fact, sent.purpose) is True
    assert fact.subject in sent.person
    assert sent.cited["at"] == times.iso(last.at)
    assert sent.cited["because"] == "decision"

    assert sent.cited["notice"] == fact.event.properties.get("notice")


async def refusals_say_what_was_missing(lived: History) -> None:
    for state, cited in lived.ledger():
        if state == "refused":
            assert cited["purpose"] in BY_DEFAULT
            assert cited["state"] == "denied"
            if cited["because"] == "decision":
                assert grants(await lived.fact(cited["fact"]), cited["purpose"]) is False
            else:
                assert cited["because"] == "default"
                assert not BY_DEFAULT[cited["purpose"]]
