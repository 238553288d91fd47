"""Somebody who is erased is nowhere any more, whatever is replayed; others stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cdp import main
from cdp.db import named
from cdp.evidence.signing import Signer
from cdp.evidence.verifying import Verifying
from cdp.instance import Running
from cdp.privacy.model import RECEIPT
from cdp.privacy.tables import ERASED, STAYS
from cdp.replay import until_quiet
from tests.conftest import Api, Instance
from tests.support.privacy import ask, done, followed, request

ADA = "email:ada@example.com"
HASHED = (
    ("fragments", "subject"),
    ("decisions", "subject"),
    ("seen_in", "subject"),
    ("subjects", "id"),
    ("collectable", "subject"),
    ("uncollectable", "subject"),
    ("nodes", "id"),
    ("edges", "a"),
    ("edges", "b"),
    ("profiles", "id"),
    ("memberships", "profile"),
    ("identity_history", "former"),
    ("identity_history", "profile"),
    ("match_keys", "id"),
    ("match_queue", "profile"),
    ("score_queue", "profile"),
)


async def ada_lives(api: Api) -> None:
    """Two devices, a login, a trait, a decision, and a neighbour with a life of his own."""
    await api.send("/v1/page", {"anonymousId": "phone", "name": "Home"})
    identify = {"userId": "ada", "anonymousId": "laptop", "traits": {"email": "ada@example.com"}}
    await api.send("/v1/identify", identify)
    await api.send("/v1/track", {"userId": "ada", "anonymousId": "phone", "event": "Signed Up"})
    await api.put(f"/consent/{ADA}", {"purpose": "analytics", "state": "granted"})
    await api.send("/v1/identify", {"userId": "bob", "traits": {"email": "bob@example.com"}})
    await api.send("/v1/track", {"userId": "bob", "event": "Signed Up"})
    await api.settle()


async def ids(api: Api, ref: str) -> list[bytes]:
    """The subjects of a person, by the database alone."""
    vault, database = api.instance.core.vault, api.instance.core.database
    node = vault.subject(*ref.split(":", 1))
    rows = await database.rows(
        named("select m.id from nodes n join nodes m on m.profile = n.profile where n.id = :id"),
        id=node,
    )
    return [row[0] for row in rows]


async def traces(api: Api, subjects: list[bytes]) -> dict[str, int]:
    """Rows of these subjects, by table and column, of those that are to have none."""
    found = {}
    for table, column in HASHED:
        statement = f"select count(*) from {table} where {column} = any(:ids)"
        rows = await api.instance.core.database.rows(named(statement), ids=subjects)  # type: ignore[arg-type]
        if rows[0][0]:
            found[f"{table}.{column}"] = rows[0][0]
    return found


async def verified(api: Api, running: Running) -> bool:
    async with main.replaying(api.instance.settings, running) as replay:
        return all(each.equal for each in await until_quiet(replay))


async def test_every_table_is_either_erased_from_or_tells_nothing(instance: Instance) -> None:
    rows = await instance.core.database.rows(
        named("select tablename from pg_tables where schemaname = 'public'")
    )
    assert sorted(row[0] for row in rows) == sorted([*ERASED, *STAYS])


async def test_nothing_of_them_is_left_and_a_replay_brings_nothing_back(
    api: Api, running: Running
) -> None:
    await ada_lives(api)
    subjects, bob = await ids(api, ADA), await api.get("/profiles/user_id:bob")
    assert len(subjects) == 4
    assert "fragments.subject" in await traces(api, subjects)
    found = await done(api, "erase", ADA, reference="TICKET-7")
    assert (found["subjects"], found["result"]["events"]) == (4, 2)
    assert found["result"]["keys_destroyed"] == 3
    assert found["result"]["rows"]["nodes"] == 4
    assert await traces(api, subjects) == {}
    for ref in (ADA, "user_id:ada", "anonymous_id:phone", "anonymous_id:laptop"):
        assert (await api.call("GET", f"/profiles/{ref}")).status_code == 404
    assert await verified(api, running)
    async with main.replaying(api.instance.settings, running) as replay:
        await replay.replace()
    assert await traces(api, subjects) == {}
    assert await api.get("/profiles/user_id:bob") == bob


async def test_who_comes_back_begins_a_new_life(api: Api, running: Running) -> None:
    await ada_lives(api)
    for _ in range(2):
        await done(api, "erase", "user_id:ada")
        await api.send("/v1/track", {"userId": "ada", "event": "Back"})
        await api.settle()
        profile: Any = await api.get("/profiles/user_id:ada")
        assert profile["events"] == {"Back": 1}
        assert profile["identifiers"] == {"user_id": ["ada"]}
    assert (await api.call("GET", f"/profiles/{ADA}")).status_code == 404
    assert await verified(api, running)
    parked = await api.instance.core.database.rows(named("select count(*) from parked"))
    assert parked[0][0] == 0


async def test_what_came_before_it_was_taken_up_goes_with_it(api: Api) -> None:
    """Not one agent has seen these: the request waits until they have."""
    await api.send("/v1/identify", {"userId": "ada", "traits": {"email": "ada@example.com"}})
    asked = await ask(api, "erase", ADA)
    await api.instance.driver.jobs.serve_people()
    assert (await request(api, asked["id"]))["status"] == "running"
    assert (await followed(api, asked["id"]))["subjects"] == 2
    assert (await api.call("GET", "/profiles/user_id:ada")).status_code == 404


async def test_the_receipt_is_signed_and_names_nobody(api: Api) -> None:
    await ada_lives(api)
    found = await done(api, "erase", ADA)
    told = Signer(api.instance.core.vault.receipt_key(), RECEIPT).open(found["receipt"])
    assert told is not None
    assert (told["type"], told["request"], told["subjects"]) == ("erasure", found["id"], 4)
    assert told["rows_deleted"] == found["result"]["rows"]
    assert "ada@" not in str(told)
    assert Signer(api.instance.core.vault.receipt_key()).open(found["receipt"]) is None


async def test_asking_twice_is_asking_once_and_lists_are_newest_first(api: Api) -> None:
    await ada_lives(api)
    first, again = await ask(api, "erase", ADA), await ask(api, "erase", ADA, reference="other")
    assert first["id"] == again["id"]
    later = await ask(api, "erase", "user_id:bob")
    page: Any = await api.get("/privacy/requests?limit=1")
    rest: Any = await api.get(f"/privacy/requests?limit=1&cursor={page['next']}")
    assert [page["requests"][0]["id"], rest["requests"][0]["id"]] == [later["id"], first["id"]]
    assert "ada@" not in str([page, rest])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"kind": "erase"}, "identifier: Missing"),
        ({"kind": "forget", "identifier": ADA}, "kind: Must be one of"),
        ({"kind": "erase", "identifier": "user_id:null"}, "stands for nobody"),
        ({"kind": "erase", "identifier": "ada"}, "name a person as namespace:value"),
        ({"kind": "erase", "identifier": ADA, "reference": "x" * 201}, "reference: Longer than"),
    ],
)
async def test_bad_requests_are_told_what_to_mend(api: Api, body: Any, told: str) -> None:
    answer = await api.call("POST", "/privacy/requests", json=body)
    assert answer.status_code == 400
    assert told in answer.json()["detail"]
    assert (await api.call("GET", "/privacy/requests/x")).status_code == 404


async def test_the_consent_chain_goes_on_proving(api: Api) -> None:
    await ada_lives(api)
    await done(api, "erase", ADA)
    core = api.instance.core
    async with core.database.snapshot() as connection:
        found = await Verifying(connection, core.vault).run()
    assert (found.facts, found.findings) == (1, [])


async def test_refused_messages_that_name_them_go_and_others_stay(api: Api) -> None:
    await ada_lives(api)
    for who in ("ada", "bob"):
        await api.send("/v1/track", {"userId": who})  # no event: refused
    await api.send("/v1/track", {"userId": 7, "properties": {"mail": "ADA@example.com"}})
    assert len((await api.get("/quarantine"))["quarantine"]) == 3  # type: ignore[arg-type]
    found = await done(api, "erase", ADA)
    assert found["result"]["rows"]["quarantine"] == 2
    (left,) = (await api.get("/quarantine"))["quarantine"]  # type: ignore[misc]
    assert left["message"]["userId"] == "bob"


async def test_what_fails_is_noted_without_a_name_and_tried_again(api: Api) -> None:
    await ada_lives(api)

    async def broken(_: Any) -> Any:
        raise ValueError("ada@example.com")

    driver = api.instance.driver
    whole = driver.jobs
    driver.jobs = replace(whole, privacy=replace(whole.privacy, kinds={"erase": broken}))
    asked = await ask(api, "erase", ADA)
    await api.settle()
    failed = await request(api, asked["id"])
    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert failed["reason"].startswith("ValueError in broken")
    driver.jobs = whole
    await api.instance.core.database.rows(named("update privacy_requests set next_at = now()"))
    await followed(api, asked["id"])
