"""A 200 is a promise: once in the log, exactly once, sealed, and never answered too early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from cdp.collect import keys
from cdp.db import Connection, Database, named
from cdp.entrance import suppressions
from cdp.errors import StoreUnavailable
from cdp.events import SCHEMA, Event
from cdp.instance import Running
from cdp.log.appender import Appender, Bounds
from cdp.log.keyring import Keyring
from cdp.log.writing import Fact, Writer, fact_of
from consent.gate import CollectionGate
from tests.conftest import Api, Instance
from tests.support.behind import Behind, behind_a_line
from tests.support.collected import quarantined, stored

PAGE = {"type": "page", "anonymousId": "a"}


async def test_a_message_is_stored_once_for_its_source_whatever_happens(api: Api) -> None:
    def page(message_id: str, **more: Any) -> dict[str, Any]:
        return {**PAGE, "messageId": message_id, **more}

    twice_in_a_batch = {"batch": [page("1"), page("2"), page("1", anonymousId="other")]}
    for _ in range(2):
        assert (await api.send("/v1/batch", twice_in_a_batch)).status_code == 200
    assert (await api.send("/v1/page", page("1", timestamp="2020-01-01"))).status_code == 200
    assert [event.message_id for event in await stored(api)] == ["1", "2"]
    async with api.instance.core.database.transaction() as connection:
        await keys.add_source(connection, "another", "another")
    other = await api.send("/v1/page", page("1"), **{"x-write-key": "another"})
    assert other.status_code == 200
    assert [event.source for event in await stored(api)] == [1, 2, 1]
    numbers = {"batch": [page("7"), page("7") | {"messageId": 7}, page("7") | {"messageId": 7.0}]}
    assert (await api.send("/v1/batch", numbers)).status_code == 200
    assert len(await stored(api)) == 4  # ids are opaque: 7 is "7"


async def test_many_requests_at_once_store_each_message_once(api: Api) -> None:
    batches = [
        {"batch": [{**PAGE, "messageId": str(n), "anonymousId": f"{n} {m}"} for n in range(50)]}
        for m in range(20)
    ]
    answers = await asyncio.gather(*(api.send("/v1/batch", batch) for batch in batches))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await stored(api)) == 50


@pytest.fixture
async def appenders(instance: Instance) -> AsyncIterator[list[Appender]]:
    """Two collectors' writers, each with its own pool and keyring."""
    databases = [Database(instance.core.database.url) for _ in range(2)]
    made = [
        Appender(
            Writer(
                database,
                Keyring(instance.core.vault),
                instance.core.partitions,
                CollectionGate("CA"),
                suppressions(instance.core),
            ),
            Bounds(linger=0.0),
        )
        for database in databases
    ]
    tasks = [asyncio.create_task(appender.run()) for appender in made]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for database in databases:
        await database.close()


async def test_writers_race_for_the_same_ids_under_different_subjects(
    instance: Instance, appenders: list[Appender]
) -> None:
    vault = instance.core.vault

    def facts(who: str, numbers: range) -> list[Fact]:
        return [
            fact_of(
                Event(SCHEMA, "page", vault.digest(b"%d" % n), 1, str(n), n, n, anonymous_id=who),
                vault.subject("anonymous_id", f"{who} {n}"),
                consent=False,
            )
            for n in numbers
        ]

    rounds = [range(start, start + 40) for start in range(0, 400, 20)]  # each id twice a writer
    writes = [
        appender.append(facts(f"writer {number}", numbers))
        for numbers in rounds
        for number, appender in enumerate(appenders)
    ]
    await asyncio.gather(*writes)
    rows = await instance.core.database.rows(
        named('select partition, count(*), max("offset") from events group by 1')
    )
    assert sum(count for _, count, _ in rows) == 420
    assert all(count == last + 1 for _, count, last in rows)  # offsets have no gaps
    heads = named("select partition, next_offset from heads where topic = 'events'")
    expected = {partition: last + 1 for partition, _, last in rows}
    assert {p: n for p, n in await instance.core.database.rows(heads) if n} == expected


async def test_the_answer_waits_for_the_commit(api: Api) -> None:
    """Somebody holds what the writer needs: no answer. They let go: an answer, and the fact."""
    database = api.instance.core.database
    async with database.transaction() as connection:
        await connection.execute(named("select * from heads for update"))
        sending = asyncio.create_task(api.send("/v1/page", {**PAGE, "messageId": "1"}))
        done, _ = await asyncio.wait({sending}, timeout=0.5)
        assert not done
        assert await stored(api) == []
    assert (await sending).status_code == 200
    assert len(await stored(api)) == 1


@pytest.fixture
async def cut(instance: Instance, running: Running) -> AsyncIterator[Behind]:
    """A platform that waits a second for the store."""
    async with behind_a_line(instance, running, commit_timeout=1) as made:
        yield made


async def test_an_outage_is_503_with_a_time_to_retry_and_loses_nothing(
    cut: Behind, instance: Instance
) -> None:
    api, line = cut
    broken = {"type": "track", "messageId": "broken"}
    batch = {"batch": [{**PAGE, "messageId": "1"}, broken]}
    assert (await api.send("/v1/page", {**PAGE, "messageId": "0"})).status_code == 200
    await line.cut()
    answers = [
        await api.send("/v1/batch", batch),
        await api.send("/v1/page", {**PAGE, "messageId": "2"}, **{"x-strict-mode": "1"}),
        await api.send("/v1/page", {**PAGE, "messageId": "3"}, **{"x-write-key": "unknown"}),
        await api.client.get("/v1/projects/unknown/settings"),
        await api.client.get("/sourceConfig/?writeKey=unknown"),
    ]
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert set(answer.json()) == {"code", "message"}
    problem = await api.call("GET", "/segments")
    assert (problem.status_code, problem.headers["retry-after"]) == (503, "1")
    assert problem.headers["content-type"] == "application/problem+json"
    assert (await api.client.get("/health/ready")).status_code == 503
    assert (await api.client.get("/health/live")).status_code == 200
    pixel = await api.client.get("/v1/pixel/page?messageId=4")
    assert (pixel.status_code, pixel.headers["content-type"]) == (200, "image/gif")
    await line.mend()
    # An SDK sends it all again; a 503 does not say that nothing was stored, and need not.
    assert (await api.send("/v1/batch", batch)).status_code == 200
    assert (await api.send("/v1/page", {**PAGE, "messageId": "2"})).status_code == 200
    behind = replace(api, instance=instance)
    assert [event.message_id for event in await stored(behind)] == ["0", "1", "2"]
    assert "broken" in {kept["message"].get("messageId") for kept in await quarantined(behind)}


async def test_a_short_outage_is_waited_for(cut: Behind) -> None:
    assert (await cut.api.send("/v1/page", {**PAGE, "messageId": "0"})).status_code == 200
    await cut.line.cut()
    sending = asyncio.create_task(cut.api.send("/v1/page", {**PAGE, "messageId": "1"}))
    await asyncio.sleep(0.2)
    await cut.line.mend()
    assert (await sending).status_code == 200
    assert len(await stored(cut.api)) == 2


MARKS = ("ada-marker@example.com", "marker-user-id", "marker-anonymous", "marker-trait-value")


async def test_nothing_personal_stands_in_clear(api: Api) -> None:
    email, user, anonymous, trait = MARKS
    identify = {
        "userId": user,
        "anonymousId": anonymous,
        "traits": {"email": email, "note": trait},
        "messageId": "marker-message-id",
    }
    assert (await api.send("/v1/identify", identify)).status_code == 200
    assert (await api.send("/v1/track", identify)).status_code == 200  # no event name
    await api.settle()
    assert (await api.get(f"/profiles/email:{email}"))["identifiers"]
    alone = {"namespaces": {"email": {"links": False}, "anonymous_id": {"links": False}}}
    tried = (await api.call("POST", "/identity/rules/dry-run", json=alone)).json()["id"]
    await api.settle()
    word = {"a": f"user_id:{user}", "b": f"email:{email}", "reason": "marker-reason"}
    assert (await api.call("POST", "/identity/unlink", json=word)).status_code == 200
    await api.settle()
    found: Any = (await api.get(f"/identity/rules/dry-run/{tried}"))["result"]
    assert f"email:{email}" in found["largest"][0]["who"]
    database = api.instance.core.database
    tables = await database.rows(
        named("select tablename from pg_tables where schemaname = 'public' order by 1")
    )
    seen = b""
    for (table,) in tables:
        for row in await database.rows(named(f"select * from {table}")):  # type: ignore[arg-type]
            seen += b"".join(v if isinstance(v, bytes) else repr(v).encode() for v in row)
    assert len(tables) > 10
    assert b"user_id" in seen  # the scan sees what stands in clear
    for mark in (*MARKS, "marker"):
        assert mark.encode() not in seen


class _LosesTheFirstAnswer(Database):
    """The line breaks at the first statement that commits by itself: before it does, or after."""

    lost = False
    before = False

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[Connection]:
        breaks, self.lost = not self.lost, True
        async with (
            self.transaction() if breaks and self.before else super().autocommit() as connection
        ):
            yield connection
            if breaks:
                raise StoreUnavailable("the line broke")


@pytest.mark.parametrize("before", [True, False])
async def test_a_key_that_was_not_committed_seals_nothing(instance: Instance, before: bool) -> None:
    """What is sealed by a key that nobody keeps would be lost."""
    subject = instance.core.vault.subject("user_id", "new")
    keyring = Keyring(instance.core.vault)
    database = _LosesTheFirstAnswer(instance.core.database.url)
    database.before = before
    with pytest.raises(StoreUnavailable):
        await keyring.ensure(database, [subject])
    used = (await keyring.ensure(database, [subject]))[subject].box
    kept = (await Keyring(instance.core.vault).ensure(database, [subject]))[subject].box
    assert kept.open(used.seal(b"plain", b"as"), b"as") == b"plain"
    await database.close()
