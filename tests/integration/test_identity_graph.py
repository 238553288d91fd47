"""The graph kept chunk by chunk in the database equals the pure resolution of the whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cdp.db import Connection, Database, named
from cdp.events import SCHEMA, Event, Identifier
from cdp.scheduler.rulework import RuleWork
from cdp.trials import Changes
from identity import rulebook
from identity.graph import Edge, Node, Verdict, earliest, edge, latest, verdict
from identity.identifiers import TOLD, Kind, Named, read, ruling
from identity.marks import Marks
from identity.matching.facts import inference
from identity.memory import Memory
from identity.model import Facts, resolve
from identity.rulebook import RuleBook
from identity.rules import Namespace, Rules
from identity.schema import written
from identity.settling import closed
from identity.stage import Identity, Resolved
from identity.store import SHARED
from tests.support.stores import PARTITIONS, Stores

LIMITED = Rules(
    {"user_id": Namespace(limit=1), "email": Namespace(limit=2)}, others=Namespace(limit=3)
)
GUARDED = Rules(
    {
        "user_id": Namespace(limit=2, people=None, neighbours=None),
        "email": Namespace(people=2, neighbours=3, blocked=("e0*",)),
    },
    others=Namespace(people=2, neighbours=4),
    review=3,
    confidence=0.9,
)

SPELLED = Rules(
    {"user_id": Namespace(limit=2), "email": Namespace(limit=2, people=2, providers=True)},
    others=Namespace(people=2, neighbours=4),
    review=3,
    confidence=0.6,
)
LIKELY = replace(LIMITED, confidence=0.6)


def hashed(namespace: str, value: str) -> bytes:
    return f"{namespace[0]}:{value}".encode().ljust(16, b"_")


Told: TypeAlias = tuple[tuple[str, dict[str, Any]], int]


class Statement(NamedTuple):
    event: Event
    named: Named


def statement(number: int, kind: str, at: int, fields: dict[str, Any]) -> Statement:
    event = Event(SCHEMA, kind, number.to_bytes(16), 1, str(number), at, 10**12, **fields)  # type: ignore[arg-type]
    return Statement(event, read(event))


def numbered(chunk: Sequence[Told], first: int) -> list[Statement]:
    return [
        statement(first + number, kind, at, fields)
        for number, ((kind, fields), at) in enumerate(chunk)
    ]


user = st.sampled_from([f"u{n}" for n in range(5)] + [""])
device = st.sampled_from([f"d{n}" for n in range(6)])
email = st.sampled_from(["e0@x.de", "e1@x.de", "e1+a@x.de", "e2@x.de"])
said = st.one_of(
    st.tuples(st.just("track"), st.fixed_dictionaries({"user_id": user, "anonymous_id": device})),
    st.tuples(
        st.just("identify"),
        st.fixed_dictionaries(
            {
                "user_id": user,
                "anonymous_id": device,
                "traits": st.fixed_dictionaries({"email": email}),
            }
        ),
    ),
    st.tuples(
        st.just("alias"),
        st.fixed_dictionaries(
            {"user_id": user, "previous_id": st.sampled_from(["u1", "u2", "d1"])}
        ),
    ),
)
anybody = st.one_of(
    st.tuples(st.just("user_id"), user.filter(bool)),
    st.tuples(st.just("anonymous_id"), device),
    st.tuples(st.just("email"), email),
)
ruled = st.tuples(
    st.sampled_from(["link", "unlink"]),
    st.fixed_dictionaries(
        {
            "properties": st.fixed_dictionaries(
                {"identifiers": st.lists(anybody, min_size=2, max_size=2, unique=True)}
            )
        }
    ),
)
inferred = st.tuples(
    st.just("infer"),
    st.fixed_dictionaries(
        {
            "properties": st.fixed_dictionaries(
                {
                    "nodes": st.lists(
                        anybody.map(lambda each: hashed(*each).hex()),
                        min_size=2,
                        max_size=2,
                        unique=True,
                    ).map(sorted),
                    "probability": st.sampled_from([0.0, 0.7, 0.95, 0.99]),
                }
            )
        }
    ),
)
chunks = st.lists(st.tuples(said | ruled | inferred, st.integers(1, 20)), min_size=1, max_size=8)
# Each chunk comes to one of two workers, and may have been rolled back by it or the other before.
histories = st.lists(
    st.tuples(chunks, st.sampled_from([0, 1]), st.sampled_from([None, 0, 1])),
    min_size=1,
    max_size=6,
)

_CLEAR = named("truncate nodes, edges, verdicts, inferences, identity_history, identity_rules")
_NODES = named("select id, namespace, first_seen, profile, component, flags from nodes")
_EDGES = named("select a, b, kind, first_seen, event from edges")


@pytest.fixture(scope="module")
async def database(stores: Stores) -> AsyncIterator[Database]:
    """One database for all examples: it is emptied in between."""
    opened = Database(stores.fresh().database_url)
    yield opened
    await opened.close()


History: TypeAlias = list[tuple[list[Told], int, int | None]]


def signs_in(user: str, email: str, at: int = 5) -> Told:
    return ("identify", {"user_id": user, "anonymous_id": "", "traits": {"email": email}}), at


def rules_that(word: str, *pair: tuple[str, str], at: int = 9) -> Told:
    return (word, {"properties": {"identifiers": list(pair)}}), at


def alike(a: tuple[str, str], b: tuple[str, str], probability: float = 0.99, at: int = 9) -> Told:
    nodes = sorted(hashed(*each).hex() for each in (a, b))
    return ("infer", {"properties": {"nodes": nodes, "probability": probability}}), at


def comes_with(user: str, device: str, at: int = 2) -> Told:
    return ("track", {"user_id": user, "anonymous_id": device}), at


SHARER: Told = (
    ("identify", {"user_id": "u0", "anonymous_id": "d1", "traits": {"email": "e0@x.de"}}),
    2,
)
CROWD = [signs_in(user, "e1@x.de") for user in ("u0", "u1", "u2")]
UNLINKED = rules_that("unlink", ("user_id", "u2"), ("email", "e1@x.de"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([LIMITED, GUARDED, SPELLED, LIKELY]), histories)
@example(GUARDED, [(CROWD, 0, None), ([UNLINKED], 1, None)]).via("no longer shared: it links again")
@example(GUARDED, [([UNLINKED], 1, None), (CROWD, 0, None)]).via("said before anybody was seen")
@example(
    GUARDED,
    [
        (
            [
                signs_in("u0", "e0@x.de"),
                rules_that("link", ("user_id", "u3"), ("email", "e0@x.de")),
            ],
            1,
            None,
        ),
        ([signs_in("u3", "e1@x.de")], 1, None),
    ],
).via("an operator's word reaches whom a rule blocks")
@example(
    LIMITED,
    [
        (CROWD[:1], 0, None),
        ([rules_that("unlink", ("user_id", "u0"), ("email", "e1@x.de"))], 0, None),
        ([rules_that("link", ("email", "e1@x.de"), ("user_id", "u0"), at=12)], 0, None),
    ],
).via("and together again")
@example(
    LIKELY,
    [
        ([comes_with("u1", "d2"), alike(("user_id", "u0"), ("user_id", "u1"))], 0, None),
        ([comes_with("u0", "d1"), comes_with("u1", "d0")], 0, None),
    ],
).via("alike before one of them was seen, while the other gains a device")
@example(
    LIMITED,
    [
        (
            [comes_with("u1", "d2"), rules_that("link", ("user_id", "u0"), ("user_id", "u1"))],
            0,
            None,
        ),
        ([comes_with("u0", "d1"), comes_with("u1", "d0")], 0, None),
    ],
).via("said before one of them was seen, while the other gains a device")
async def test_incremental_equals_batch(database: Database, rules: Rules, history: History) -> None:
    await database.rows(_CLEAR)
    workers = [Identity(hashed, RuleBook(rules), Memory(size)) for size in (1000, 5)]
    everything: list[Statement] = []
    for chunk, worker, lost in history:
        statements = numbered(chunk, len(everything))
        everything += statements
        if lost is not None:
            await _roll_back(database, workers[lost], statements)
        await _resolve(database, workers[worker], statements)
    rows = await database.rows(_NODES)
    facts = told(everything, rules)
    whole = resolve(facts, rules)
    assert {row[0]: row[3] for row in rows} == whole.profiles
    assert partition({row[0]: row[4] for row in rows}) == partition(whole.components)
    assert {row[0] for row in rows if row[5] & SHARED} == whole.shared
    stored = {Edge(*row) for row in await database.rows(_EDGES)}
    assert stored == set(facts.edges)


def partition(names: Mapping[bytes, bytes]) -> set[frozenset[bytes]]:
    """Who is together, whatever the parts are called."""
    parts: dict[bytes, set[bytes]] = {}
    for node, name in names.items():
        parts.setdefault(name, set()).add(node)
    return {frozenset(part) for part in parts.values()}


def told(said: Sequence[Statement], rules: Rules) -> Facts:
    """The raw graph, read off the statements without the code under test."""
    seen = seen_in(said)
    edges: list[Edge] = []
    verdicts: list[Verdict] = []
    likely = [found for event, _ in said if (found := inference(event))]
    for event, about in said:
        for link in about.links:
            a, b = hashed(*link.a), hashed(*link.b)
            edges.append(edge(a, b, link.kind, event.at, event.id))
        word = ruling(event)
        if word:
            a, b = hashed(*word.a), hashed(*word.b)
            verdicts.append(verdict(a, b, together=word.together, at=event.at, event=event.id))
    for identifier, at in list(seen.items()):
        spelled = rules.spelled(identifier)
        if spelled:
            seen[spelled] = min(at, seen.get(spelled, at))
            edges.append(edge(hashed(*identifier), hashed(*spelled), Kind.SPELLED, at, b""))
    nodes = [Node(hashed(*identifier), identifier.namespace, at) for identifier, at in seen.items()]
    blocked = {hashed(*each) for each in seen if rules.blocks(each)}
    return Facts(
        nodes,
        list(earliest(edges).values()),
        list(latest(verdicts).values()),
        blocked,
        inferred=list(latest(likely).values()),
    )


def seen_in(said: Sequence[Statement]) -> dict[Identifier, int]:
    """Every identifier, and when it was first said."""
    seen: dict[Identifier, int] = {}
    for event, about in said:
        linked = [end for link in about.links for end in (link.a, link.b)]
        for identifier in (*about.identifiers, *linked):
            seen[identifier] = min(seen.get(identifier, event.at), event.at)
    return seen


async def _told(connection: Connection, identity: Identity, said: Sequence[Statement]) -> Resolved:
    heard = identity.listen()
    for each in said:
        if each.event.type in TOLD:
            heard.tell(each.event)
        else:
            heard.hear(each.named, each.event)
    subjects = {hashed(*each.named.subject) for each in said if each.named.subject}
    return await identity.resolve(connection, heard, subjects, 0)


async def _roll_back(database: Database, identity: Identity, said: Sequence[Statement]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await _told(connection, identity, said)
            raise ZeroDivisionError


async def _resolve(database: Database, identity: Identity, said: Sequence[Statement]) -> None:
    before = {row[0]: row[3] for row in await database.rows(_NODES)}
    async with database.transaction() as connection:
        resolved = await _told(connection, identity, said)
    after = {row[0]: row[3] for row in await database.rows(_NODES)}
    for node, profile in resolved.profiles.items():
        assert after[node] == profile
    for node, profile in before.items():
        if profile != after[node]:
            assert {profile, after[node]} <= resolved.moved, "a move nobody was told of"


class Carried:
    """Stands for the people whose fragments keep the originals: every identifier that was said."""

    def __init__(self, seen: Mapping[Identifier, int]) -> None:
        self.seen = seen

        async def renew(connection: object) -> None:
            """Nobody is erased here."""

        self.keyring = SimpleNamespace(vault=SimpleNamespace(subject=hashed), renew=renew)

    async def carried(
        self, connection: Connection, subjects: Sequence[bytes]
    ) -> Mapping[Identifier, int]:
        return self.seen


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations([LIMITED, GUARDED, SPELLED, LIKELY]), histories)
@example(
    [GUARDED, LIMITED, SPELLED, LIKELY],
    [([comes_with("u0", "d0"), comes_with("u1", "d1"), comes_with("u2", "d1"), SHARER], 0, None)],
).via("shared by the old rules, and not by the new")
async def test_new_rules_bring_what_their_trial_said_and_what_the_whole_resolves_to(
    database: Database, rules: list[Rules], history: History
) -> None:
    await database.rows(_CLEAR)
    before, after = rules[:2]
    worker = Identity(hashed, RuleBook(before), Memory(1000))
    everything: list[Statement] = []
    for chunk, _, _ in history:
        statements = numbered(chunk, len(everything))
        everything += statements
        await _resolve(database, worker, statements)
    people: Any = Carried(seen_in(everything))
    was = await _profiles(database)
    async with database.transaction() as connection:
        promised = await _tried(connection, after, people)
        await rulebook.put(connection, written(after))
    work = RuleWork(database, PARTITIONS, people)
    while await work.step():
        pass
    now = await _profiles(database)
    assert now == plain(resolve(told(everything, after), after).profiles)
    assert promised == {n: (was[n], now[n]) for n in was if was[n] != now[n]}


async def _tried(connection: Connection, rules: Rules, people: Any) -> Mapping[bytes, Any]:
    marks = Marks(rules, hashed)
    marks.add(await people.carried(connection, ()))
    changes = Changes(rules, marks)
    rows = await connection.execute(_NODES)
    for component in sorted({row[4] for row in rows}):
        changes.note(await closed(connection, rules, [component], marks, on_trial=True))
    return changes.moved


async def _profiles(database: Database) -> dict[bytes, bytes]:
    return plain({row[0]: row[3] for row in await database.rows(_NODES)})


def plain(profiles: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Without what spellings come down to."""
    return {node: profile for node, profile in profiles.items() if not node.startswith(b"~")}
