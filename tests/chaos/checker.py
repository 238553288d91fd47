"""Compares what came of it with what was sent, by SQL and HTTP of its own.

It uses none of the platform's code: what it knows is what the senders noted, that the log is a
table `events` with `partition`, `offset`, `subject` and `at`, and the public interface.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import psycopg

from tests.chaos.load import Load, Message
from tests.chaos.world import BUSY, World
from tests.support.platform import Platform

_LOG = """
    select partition, "offset", subject, (extract(epoch from at) * 1000000)::bigint
      from events order by partition, "offset"
"""


class Row(NamedTuple):
    """One event of the log."""

    partition: int
    offset: int
    subject: bytes
    at: int


class Finding(NamedTuple):
    """What was looked at, and what is wrong with it; empty if nothing is."""

    what: str
    problem: str = ""


def check(world: World, loads: Sequence[Load]) -> Iterator[Finding]:
    """Everything that must hold once all is quiet."""
    platform = world.platform
    messages = {message.at: message for load in loads for message in load.messages}
    with psycopg.connect(world.database_url) as connection:
        rows = [Row(*row) for row in connection.execute(_LOG)]
    yield stored_once(rows, messages)
    yield dense(rows)
    yield in_order(rows)
    yield counted(platform, rows, messages)
    yield delivered(world, rows, messages)
    status = platform.status()
    parked, quarantined = status["parked"], status["quarantined"]
    problem = f"{parked} parked, {quarantined} quarantined" if parked or quarantined else ""
    yield Finding("nothing is parked or quarantined", problem)
    yield replayed(platform)


def stored_once(rows: Sequence[Row], messages: dict[int, Message]) -> Finding:
    """What was acknowledged is there; nothing is there twice, or was never sent."""
    times = Counter(row.at for row in rows)
    missing = [m.at for m in messages.values() if m.acknowledged and not times[m.at]]
    doubled = [at for at, count in times.items() if count > 1]
    strange = [at for at in times if at not in messages]
    what = f"{sum(m.acknowledged for m in messages.values()):,} acknowledged messages stored once"
    if missing or doubled or strange:
        wrong = f"{len(missing)} missing, {len(doubled)} doubled, {len(strange)} never sent"
        return Finding(what, f"{wrong}, e.g. {(missing + doubled + strange)[:3]}")
    return Finding(what)


def dense(rows: Sequence[Row]) -> Finding:
    """Offsets of each partition count from 0 without a gap."""
    by_partition: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        by_partition[row.partition].append(row.offset)
    wrong = [p for p, offsets in by_partition.items() if offsets != list(range(len(offsets)))]
    return Finding("offsets without gaps", f"partitions {wrong}" if wrong else "")


def in_order(rows: Sequence[Row]) -> Finding:
    """Of one subject, what was sent first has the smaller offset, all in one partition."""
    last: dict[bytes, Row] = {}
    wrong = 0
    for row in rows:
        before = last.get(row.subject)
        if before and (before.at > row.at or before.partition != row.partition):
            wrong += 1
        last[row.subject] = row
    return Finding(
        f"order kept for each of {len(last):,} subjects", f"{wrong} out of order" * (wrong > 0)
    )


def counted(platform: Platform, rows: Sequence[Row], messages: dict[int, Message]) -> Finding:
    """Every profile has counted exactly what the log has of it."""
    expected = Counter(messages[row.at].user for row in rows if row.at in messages)
    wrong = {}
    for user, count in expected.items():
        events = platform.profile(f"user_id:{user}").get("events", {})
        if events.get("Tick") != count:
            wrong[user] = (events.get("Tick"), count)
    return Finding(
        f"{len(expected):,} profiles have counted it all", str(wrong)[:200] if wrong else ""
    )


def delivered(world: World, rows: Sequence[Row], messages: dict[int, Message]) -> Finding:
    """Who came into the segment was announced, once; a repeated message carries the same id."""
    counts = Counter(messages[row.at].user for row in rows if row.at in messages)
    expected = {user for user, count in counts.items() if count >= BUSY}
    ids: dict[str, set[str]] = defaultdict(set)
    for request in world.receiver.requests:
        body = request.json
        assert body["type"] == "segment.entered", body["type"]
        (user,) = body["data"]["identifiers"]["user_id"]
        ids[user].add(request.headers["webhook-id"])
    repeats = len(world.receiver.requests) - sum(map(len, ids.values()))
    missing, strange = expected - ids.keys(), ids.keys() - expected
    doubled = [user for user, each in ids.items() if len(each) > 1]
    what = f"{len(expected):,} entries announced once ({repeats} repeated under the same id)"
    wrong = f"{len(missing)} missing, {len(strange)} wrong, {len(doubled)} announced twice"
    return Finding(what, wrong if missing or strange or doubled else "")


def replayed(platform: Platform) -> Finding:
    """The state is what a clean replay makes of the log."""
    told = platform.command("replay", "--verify", seconds=240)
    differs = [line for line in told.splitlines() if "DIFFERS" in line]
    return Finding("state equals a clean replay", "; ".join(differs))
