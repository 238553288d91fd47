"""Another instance's log taken in: its people join ours, in order, once, as consent allows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from cdp import assembly, main, transfer
from cdp.backup import joining
from cdp.collect import keys
from cdp.db import named
from cdp.errors import ConfigurationError
from cdp.instance import Running
from cdp.log.vault import Vault
from cdp.migrate import migrate
from cdp.replay import until_quiet
from tests.conftest import Api
from tests.integration.test_corrections import correct, ordered, timeline
from tests.support.backups import digests, live, rows
from tests.support.driver import Driver
from tests.support.instances import Instance, api_on
from tests.support.receiver import Receiver, receiving
from tests.support.stores import Stores
from tests.support.tribes import TRIBES, of, open_shop

OTHER_KEY = "cd" * 32


class Other(NamedTuple):
    """An instance of another master key, and a backup of it."""

    api: Api
    running: Running
    backup: Path

    def back_up(self) -> None:
        transfer.back_up(self.api.instance.settings, self.running, self.backup, lambda *told: None)


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def other(stores: Stores, api: Api, tmp_path: Path) -> AsyncIterator[Other]:
    running, home = stores.empty(), tmp_path / "other"
    settings = replace(api.instance.settings, data_dir=home, master_key=OTHER_KEY)
    check = Vault(bytes.fromhex(OTHER_KEY)).check
    migrate(running.database_url, partitions=3, key_check=check)
    core = assembly.assemble(settings, running)
    minted = await assembly.prepare(settings, core)
    async with main.pipeline(core) as work:
        instance = Instance(core, minted, Driver(core, work), settings)
        async with api_on(instance) as made:
            yield Other(made, running, tmp_path / "backup")
    await core.close()


async def take_in(api: Api, running: Running, other: Other) -> joining.Tally:
    key = bytes.fromhex(OTHER_KEY)
    return await transfer.join(
        api.instance.settings, running, other.backup, [key], lambda *told: None
    )


async def test_its_people_are_ours_as_if_they_had_come_here(
    api: Api, running: Running, other: Other, hook: Receiver
) -> None:
    await live(other.api, hook)
    other.back_up()
    told = len(hook.requests)
    tally = await take_in(api, running, other)
    events = len(await rows(other.api.instance, "events", "1"))
    assert (tally.read, tally.new) == (events, events)
    await api.settle()
    for ref in ("user_id:ada", "anonymous_id:phone", "user_id:user-00000001"):
        theirs = await other.api.get(f"/profiles/{ref}")
        ours = await api.get(f"/profiles/{ref}")
        for name in ("identifiers", "traits", "consent", "events", "first_seen", "last_seen"):
            assert ours[name] == theirs[name], (ref, name)
    counted = {name: count for name, (count, _) in (await digests(api.instance)).items()}
    there = {name: count for name, (count, _) in (await digests(other.api.instance)).items()}
    assert counted | {"memberships": 0} == there | {"memberships": 0}
    assert len(hook.requests) == told
    async with main.replaying(api.instance.settings, running) as replay:
        assert all(each.equal for each in await until_quiet(replay))


async def test_again_and_with_what_came_since(
    api: Api, running: Running, other: Other, hook: Receiver
) -> None:
    await live(other.api, hook, events=100)
    other.back_up()
    assert (await take_in(api, running, other)).new > 100
    before = await rows(api.instance, "events", 'partition, "offset"')
    assert (await take_in(api, running, other)).read == 0
    (api.instance.settings.data_dir / "imports").rename(api.instance.settings.data_dir / "lost")
    again = await take_in(api, running, other)
    assert (again.read, again.new) == (len(before), 0)
    assert await rows(api.instance, "events", 'partition, "offset"') == before
    for number in range(5):
        await other.api.send("/v1/track", {"userId": f"late-{number}", "event": "Late"})
    other.back_up()
    assert (await take_in(api, running, other)).new == 5


async def test_one_person_in_both(api: Api, running: Running, other: Other) -> None:
    """Known by the same address, under other ids: here they are one, in the order it happened."""
    for each, who, city, day in (
        (api, {"userId": "a"}, "Rome", 3),
        (other.api, {"anonymousId": "b"}, "Oslo", 2),
    ):
        traits = {"email": "ada@example.com", "city": city}
        identify = {**who, "traits": traits, "timestamp": f"2026-01-0{day}"}
        await each.send("/v1/identify", identify)
    await other.api.send("/v1/track", {"anonymousId": "c", "event": "E"})
    await other.api.settle()
    word = {"a": "anonymous_id:b", "b": "anonymous_id:c", "reason": "same"}
    assert (await other.api.call("POST", "/identity/link", json=word)).status_code == 200
    other.back_up()
    await take_in(api, running, other)
    await api.settle()
    ada = await api.get("/profiles/user_id:a")
    assert ada["traits"] == {"email": "ada@example.com", "city": "Rome"}
    assert ada["events"] == {"E": 1}
    assert sorted(ada["identifiers"]["anonymous_id"]) == ["b", "c"]  # type: ignore[index]


async def test_what_its_models_said_is_left_out(api: Api, running: Running, other: Other) -> None:
    await open_shop(other.api)
    assert await of(other.api, "b1") is not None
    other.back_up()
    assert (await take_in(api, running, other)).guesses == 60
    await api.put("/models/tribes", TRIBES)
    await api.settle()
    told = await api.get("/profiles/user_id:b1/timeline?event=predict")
    assert len(told["timeline"]) == 1  # type: ignore[arg-type]


async def test_sources_keep_their_keys(api: Api, running: Running, other: Other) -> None:
    """An SDK that knows the other instance's write key can be pointed here."""
    async with other.api.instance.core.database.transaction() as connection:
        await keys.add_source(connection, "shop", "the-shops-key", ["https://shop.example.com"])
    key = {"x-write-key": "the-shops-key"}
    await other.api.send("/v1/page", {"userId": "a", "messageId": "1"}, **key)
    other.back_up()
    await take_in(api, running, other)
    assert (await api.send("/v1/page", {"userId": "a", "messageId": "1"}, **key)).is_success
    assert len(await rows(api.instance, "events", "1")) == 1
    sources = await api.instance.core.database.rows(named("select name from sources order by id"))
    assert [row[0] for row in sources] == ["first", "first", "shop"]


async def test_who_may_not_be_collected_here_is_left_out(
    api: Api, running: Running, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who withdrew and came back there is not, even where the import was interrupted."""
    monkeypatch.setattr(joining, "BATCH", 1)
    for user in ("gone", "back"):
        await other.api.send("/v1/track", {"userId": user, "event": "Before"})
    for state in ("denied", "granted"):
        await other.api.put("/consent/user_id:back", {"purpose": "analytics", "state": state})
        await other.api.settle()
    await other.api.send("/v1/track", {"userId": "back", "event": "After"})
    await api.send("/v1/track", {"userId": "gone", "event": "Here"})
    await api.put("/consent/user_id:gone", {"purpose": "analytics", "state": "denied"})
    await api.settle()
    other.back_up()
    append = joining.log_store.append

    async def stop_at_the_third(*arguments: object) -> int:
        if len(await rows(api.instance, "events", "1")) == 4:
            monkeypatch.setattr(joining.log_store, "append", append)
            raise KeyboardInterrupt
        return await append(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(joining.log_store, "append", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        await take_in(api, running, other)
    await api.settle()  # by now the denial is here, and the grant is not
    assert len(await rows(api.instance, "uncollectable", "1")) == 2
    tally = await take_in(api, running, other)
    assert tally.left_out == 1
    await api.settle()
    assert (await api.get("/profiles/user_id:back"))["events"] == {"Before": 1, "After": 1}
    assert (await api.get("/profiles/user_id:gone"))["events"] == {"Here": 1}


async def test_whose_key_is_destroyed_stays_unreadable(
    api: Api, running: Running, other: Other
) -> None:
    for user in ("gone", "here"):
        await other.api.send("/v1/track", {"userId": user, "event": "E"})
    subject = other.api.instance.core.vault.subject("user_id", "gone")
    await other.api.instance.core.database.rows(
        named("delete from subjects where id = :id"), id=subject
    )
    other.back_up()
    tally = await take_in(api, running, other)
    assert (tally.new, tally.destroyed) == (1, 1)


async def test_another_key_is_refused(api: Api, running: Running, other: Other) -> None:
    other.back_up()
    with pytest.raises(ConfigurationError, match="under another master key"):
        await transfer.join(
            api.instance.settings, running, other.backup, [b"x" * 32], lambda *told: None
        )


async def test_what_was_corrected_there_is_corrected_here(
    api: Api, running: Running, other: Other
) -> None:
    wrong = await ordered(other.api, 5000)
    await correct(other.api, wrong, properties={"revenue": 50})
    await correct(other.api, await ordered(other.api, 70))
    other.back_up()
    await take_in(api, running, other)
    await api.settle()
    assert (await api.get("/profiles/user_id:ada"))["events"] == {"order": 1}
    entries = {each["type"]: each for each in await timeline(api, query="event=retract")}
    entries |= {
        each["properties"]["revenue"]: each for each in await timeline(api, query="event=order")
    }
    assert entries[50]["corrects"] == entries[5000]["id"] != wrong
    assert entries["retract"]["corrects"] == entries[70]["id"]
    assert [entries[each].get("corrected") for each in (50, 5000, 70)] == [None, True, True]
    async with main.replaying(api.instance.settings, running) as replay:
        assert all(each.equal for each in await until_quiet(replay))
