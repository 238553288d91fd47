"""Who is suppressed stays out of the log, whichever way in is tried, and whatever is restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cdp import main
from cdp.collect import keys
from cdp.db import named
from cdp.instance import Running
from cdp.suppression import store
from tests.conftest import Api
from tests.support.backups import api_of, back_up, restore
from tests.support.behind import Behind, behind_a_line
from tests.support.collected import quarantined, stored
from tests.support.instances import Instance, api_on
from tests.support.receiver import Receiver, receiving
from tests.support.samples import changes
from tests.support.stores import Stores

GRACE = ("user_id", "grace")
MAIL = ("email", "grace@example.com")


async def suppress(api: Api, *identifiers: tuple[str, str], lift: bool = False) -> int:
    core = api.instance.core
    subjects = [core.vault.subject(*each) for each in identifiers]
    async with core.database.transaction() as connection:
        return await (store.unsuppress if lift else store.suppress)(connection, subjects)


async def send(api: Api, *messages: dict[str, Any]) -> None:
    told = [{"type": "track", "event": "Viewed"} | each for each in messages]
    answer = await api.send("/v1/batch", {"batch": told})
    assert (answer.status_code, answer.json()) == (200, {"success": True})


async def users(api: Api) -> list[str]:
    return sorted(event.user_id for event in await stored(api))


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def second(api: Api) -> AsyncIterator[Api]:
    """Another collector over the same database."""
    async with api_on(api.instance) as made:
        yield made


async def test_what_names_a_suppressed_identifier_is_dropped_and_counted(api: Api) -> None:
    assert await suppress(api, GRACE, MAIL) == 2
    assert await suppress(api, GRACE) == 0
    with changes("api") as risen:
        await send(
            api,
            {"userId": "grace"},
            {"userId": "ada"},
            {"userId": "bob", "context": {"traits": {"email": " Grace@Example.com"}}},
            {"userId": "bob", "type": "identify", "traits": {"email": "grace@example.com"}},
            {"userId": "bob", "type": "alias", "previousId": "grace"},
        )
    assert await users(api) == ["ada"]
    assert risen['cdp_collected_total{outcome="suppressed"}'] == 4
    assert risen['cdp_collected_total{outcome="stored"}'] == 1
    await api.settle()
    assert (await api.call("GET", "/profiles/user_id:grace")).status_code == 404
    grace = api.instance.core.vault.subject(*GRACE)
    subjects = await api.instance.core.database.rows(named("select id from subjects"))
    assert grace not in {row[0] for row in subjects}  # not even a key is made for them


async def test_it_counts_at_once_in_every_process_and_so_does_lifting_it(
    api: Api, second: Api
) -> None:
    collectors = (api, second)
    for each in collectors:
        await send(each, {"userId": "grace", "messageId": f"before {id(each)}"})
    await suppress(api, GRACE)
    for each in collectors:
        await send(each, {"userId": "grace"}, {"userId": "ada", "anonymousId": "grace"})
    assert await users(api) == ["ada", "ada", "grace", "grace"]
    assert await suppress(second, GRACE, lift=True) == 1
    assert await suppress(second, GRACE, lift=True) == 0
    for each in collectors:
        await send(each, {"userId": "grace"})
    assert await users(api) == ["ada", "ada", *["grace"] * 4]


async def test_words_of_operators_and_people_are_refused_with_the_reason(api: Api) -> None:
    await send(api, {"userId": "ada"})
    await api.settle()
    await suppress(api, GRACE)
    link = {"a": "user_id:ada", "b": "user_id:grace", "reason": "the same"}
    said = {"purpose": "marketing_email", "state": "granted"}
    for answer in (
        await api.call("POST", "/identity/link", json=link),
        await api.call("PUT", "/consent/user_id:grace", json=said),
    ):
        assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")
        assert "is suppressed" in answer.json()["detail"]
        assert "grace" not in answer.json()["detail"]
    assert await users(api) == ["ada"]
    assert (await api.call("PUT", "/consent/user_id:ada", json=said)).status_code == 200


async def test_nothing_more_is_sent_to_them_but_that_they_left(api: Api, hook: Receiver) -> None:
    await api.put("/segments/all", {"name": "All", "where": {"event": "Viewed"}})
    await api.put("/destinations/crm", {"kind": "webhook", "url": hook.url, "segments": ["all"]})
    await api.settle()
    await send(api, {"userId": "grace", "anonymousId": "laptop"}, {"userId": "ada"})
    await suppress(api, ("anonymous_id", "laptop"))
    await api.settle()
    found = await api.get("/deliveries")
    told = {each["state"]: each for each in found["deliveries"]}  # type: ignore[attr-defined]
    assert told.keys() == {"refused", "sent"}
    assert told["refused"]["consent"]["because"] == "suppressed"
    assert len(hook.requests) == 1
    await api.put("/segments/all", {"name": "All", "where": {"event": "Other"}})
    await api.settle()
    assert sorted(r.body.count(b"segment.left") for r in hook.requests) == [0, 1, 1]


async def test_what_comes_out_of_quarantine_is_looked_at_too(api: Api) -> None:
    key = "c" + "k" * 24
    told = {"type": "track", "event": "e", "userId": "grace"}
    answer = await api.client.post("/v1/batch", json=told, headers={"x-write-key": key})
    assert answer.status_code == 200
    await suppress(api, GRACE)
    async with api.instance.core.database.transaction() as connection:
        await keys.add_source(connection, "late", key)
    done = await api.call("POST", "/quarantine/replay", json={})
    assert done.status_code == 200, done.text
    assert (await quarantined(api), await stored(api)) == ([], [])


@pytest.fixture
async def spilling(instance: Instance, running: Running) -> AsyncIterator[Behind]:
    async with behind_a_line(instance, running, commit_timeout=4, spill_mb=16) as made:
        await send(made.api, {"userId": "first"})  # its key is known from here on
        yield made


async def test_what_waited_on_the_disk_is_looked_at_too(api: Api, spilling: Behind) -> None:
    """Where the list was empty when it came, and so nobody had looked at whom it names."""
    await spilling.line.cut()
    await send(spilling.api, {"userId": "ada", "anonymousId": "grace"}, {"userId": "bob"})
    await suppress(api, ("anonymous_id", "grace"))
    await spilling.line.mend()
    home = spilling.api.instance.settings.data_dir / "spill"
    async with asyncio.timeout(20):
        while list(home.glob("*.spill")):
            await asyncio.sleep(0.05)
    assert await users(api) == ["bob", "first"]


async def test_replays_and_restores_keep_it(
    api: Api, running: Running, stores: Stores, tmp_path: Path
) -> None:
    await send(api, {"userId": "ada"}, {"userId": "grace"})
    await api.settle()
    await suppress(api, GRACE, MAIL)
    await suppress(api, MAIL, lift=True)
    async with main.replaying(api.instance.settings, running) as replay:
        await replay.replace()
    async with api_on(api.instance) as restarted:
        await send(restarted, {"userId": "grace"})
    assert await users(api) == ["ada", "grace"]
    back_up(api.instance, running, tmp_path / "backup")
    target, _ = await restore(stores, tmp_path / "backup", tmp_path / "home")
    async with api_of(target, tmp_path / "home") as again:
        await send(again, {"userId": "grace"}, {"userId": "x", "context": {"traits": {}}})
        assert await users(again) == ["ada", "grace", "x"]
        assert await suppress(again, GRACE) == 0
        assert await suppress(again, MAIL) == 1
