"""Takes somebody out of what no replay makes anew: ledgers, queues, what operators looked at."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

import identity.matching.store as matching
import profiles.store as profile_store
from cdp.db import Connection, named
from cdp.errors import Unreadable
from cdp.events import Identifier, Instant, ProfileId, SubjectId
from cdp.log.vault import Seal
from cdp.preferences import store as preferences
from cdp.preferences.token import SCOPES
from cdp.privacy import store
from cdp.trials import unseal
from profiles import segments
from profiles.store import Change

CAUSE = "erased"

_DELETE = {
    "identity_history": named(
        "delete from identity_history where former = any(:subjects) or profile = any(:subjects)"
    ),
    "match_keys": named("delete from match_keys where id = any(:subjects)"),
    "match_queue": named("delete from match_queue where profile = any(:subjects)"),
    "computed_due": named("delete from computed_due where profile = any(:subjects)"),
    "computed_told": named("delete from computed_told where profile = any(:subjects)"),
    "score_queue": named("delete from score_queue where profile = any(:subjects)"),
    "collectable": named("delete from collectable where subject = any(:subjects)"),
    "uncollectable": named("delete from uncollectable where subject = any(:subjects)"),
    "campaign_heard": named("delete from campaign_heard where subject = any(:subjects)"),
    "responses": named(
        "delete from responses where delivery in"
        " (select id from deliveries where profile = any(:subjects))"
    ),
    "journey_sends": named(
        "delete from journey_sends where journey in"
        " (select id from journeys where profile = any(:subjects))"
    ),
    "journeys": named("delete from journeys where profile = any(:subjects)"),
    "pacing_slots": named("delete from pacing_slots where profile = any(:subjects)"),
    "parked": named(
        "delete from parked where substring(key from length(key) - 15) = any(:subjects)"
    ),
}
_END_DELIVERIES = named(
    """
    update deliveries
       set state = 'refused', reason = 'erased', due = null, body = null, updated_at = now()
     where profile = any(:subjects)
       and (state in ('requested', 'delayed', 'retrying') or state = 'parked' and body is not null)
    """
)
_TRIALS = named("select id, result from identity_trials where result is not null")
_DROP_TRIALS = named("delete from identity_trials where id = any(:ids)")


async def remove(
    connection: Connection, subjects: Sequence[SubjectId], at: Instant
) -> dict[str, int]:
    """Delete these subjects' rows; returns how many of each table."""
    values = {"subjects": list(subjects)}
    removed = {
        table: (await connection.execute(statement, values)).rowcount
        for table, statement in _DELETE.items()
    }
    removed["deliveries"] = (await connection.execute(_END_DELIVERIES, values)).rowcount
    removed["privacy_archives"] = await store.drop_of(connection, list(subjects))
    for subject in subjects:
        await preferences.revoke(connection, subject, list(SCOPES), at)
    await matching.queue(connection, subjects)  # what was compared meanwhile goes with its turn
    return removed


async def exits(connection: Connection, left: Sequence[tuple[ProfileId, int]], at: Instant) -> None:
    """Tell whoever follows segments that somebody is in none any more."""
    keys = await segments.keys(connection)
    changes = [
        Change(keys[segment], profile, False, at, CAUSE)
        for profile, segment in left
        if segment in keys
    ]
    await profile_store.record(connection, changes)


async def drop_trials(
    connection: Connection, system: Seal, people: Collection[Identifier], ids: Collection[bytes]
) -> int:
    """Delete the outcomes of trials that name one of these; returns how many."""
    names = {f"{each.namespace}:{each.value}" for each in people}
    names |= {str(uuid.UUID(bytes=each)) for each in ids}
    gone = [
        trial
        for trial, result in await connection.execute(_TRIALS)
        if _names(system, trial, result) & names
    ]
    await connection.execute(_DROP_TRIALS, {"ids": gone})
    return len(gone)


def _names(system: Seal, trial: uuid.UUID, result: bytes) -> set[str]:
    """Every text in an outcome; none where the master key has changed since."""
    try:
        return set(texts(unseal(system, trial, result)))
    except Unreadable:
        return set()


def texts(content: Any) -> list[str]:
    """Every text and number anywhere in a JSON value, as text; names of fields too."""
    found, left = [], [content]
    while left:  # without recursion: what was refused may nest deeper than there is stack for
        match left.pop():
            case dict() as each:
                left += (*each.keys(), *each.values())
            case list() as each:
                left += each
            case str() as each:
                found.append(each)
            case bool() | None:
                pass
            case each:
                found.append(msgspec.json.encode(each).decode())
    return found
