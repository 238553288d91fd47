"""Messages to people, live: caps, quiet hours, priorities and withdrawals decide at the sending."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from activation import letters
from activation.letters import Letter
from activation.model import MESSAGE, Delivery
from activation.pacing import store
from cdp import times
from cdp.db import named
from cdp.events import DELIVERIES
from cdp.log import store as log_store
from cdp.log.store import Message
from tests.conftest import Api
from tests.integration.test_deliveries import decide, due_now, ledger
from tests.support.receiver import Receiver, receiving

DAY = 86_400 * times.SECOND


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def connect(api: Api, hook: Receiver, *people: str) -> None:
    destination = {"kind": "webhook", "url": hook.url, "segments": ["none"], "channel": "email"}
    await api.put("/destinations/mail", destination)
    for number in range(9):
        said = {"name": "T", "channel": "data", "texts": {"en": {"line": f"t{number}"}}}
        await api.put(f"/templates/t{number}", said)
    for each in people:
        await api.send("/v1/track", {"userId": each, "event": "Seen"})
        await decide(api, each, "granted")
    await api.settle()


async def write(api: Api, person: str, number: int, **says: Any) -> str:
    """Request a message; returns its id."""
    core, at = api.instance.core, times.now()
    found = await api.get(f"/profiles/user_id:{person}")
    profile = uuid.UUID(str(found["profile_id"])).bytes
    delivery = Delivery(
        uuid.uuid5(uuid.UUID(bytes=profile), str(number)).bytes,
        "mail",
        profile,
        "",
        MESSAGE,
        at,
        "marketing_email",
    )

    def sealed(place: bytes, content: Any) -> bytes:
        from msgspec.json import encode

        return core.vault.system.seal(encode(content), place)

    async with core.database.transaction() as connection:
        said = {"template": f"t{number}", "channel": "email"} | says
        await letters.write(connection, [Letter(delivery, said)], sealed)
        key = delivery.destination.encode() + delivery.profile
        message = Message(DELIVERIES, key, delivery.id)
        await log_store.emit(connection, [message], core.partitions)
    return str(uuid.UUID(bytes=delivery.id))


async def states(api: Api) -> dict[str, tuple[str, str]]:
    return {each["id"]: (each["state"], each["reason"]) for each in await ledger(api)}


async def test_a_cap_holds_over_messages_that_come_at_once_and_says_so(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook, "ada", "bob")
    await api.put("/pacing", {"caps": [{"limit": 2, "window": "7d", "channel": "email"}]})
    sent = [await write(api, "ada", n, priority=n) for n in range(4)]
    await write(api, "bob", 0)
    await api.settle()
    told = [each.json["data"]["content"]["template"] for each in hook.requests]
    assert sorted(told) == ["t0", "t2", "t3"]  # the two of the highest priority, and bob's
    found = await states(api)
    for each in sent[:2]:
        state, reason = found[each]
        assert state == "refused"
        assert reason.startswith("cap: 2 by email in 1 week")
    late = await write(api, "ada", 5, priority=9)
    await api.settle()
    assert (await states(api))[late] == ("refused", "cap: 2 by email in 1 week")


async def test_what_waits_for_its_time_keeps_its_place_ahead_of_what_could_go(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook, "ada")
    await api.put("/pacing", {"caps": [{"limit": 1, "window": "7d"}]})
    later = times.to_datetime(times.now() + DAY // 8).strftime("%H:%M")
    first = await write(api, "ada", 0, priority=9, timing=later)
    second = await write(api, "ada", 1)
    await api.settle()
    assert hook.requests == []
    found = await states(api)
    assert found[first] == ("delayed", f"until {later}")
    assert found[second] == ("refused", "cap: 1 in 1 week, which a higher priority takes")


async def test_a_message_waits_for_the_end_of_quiet_hours(api: Api, hook: Receiver) -> None:
    await connect(api, hook, "ada")
    now = times.to_datetime(times.now())
    before, after = ((now.hour + shift) % 24 for shift in (-1, 2))
    quiet = {"from": f"{before:02}:00", "to": f"{after:02}:00", "channels": ["email"]}
    await api.put("/pacing", {"quiet_hours": [quiet]})
    waits = await write(api, "ada", 1)
    await api.settle()
    assert hook.requests == []
    assert (await states(api))[waits] == ("delayed", f"quiet hours until {quiet['to']}")
    (entry,) = await ledger(api, "?state=delayed")
    assert entry["next_attempt_at"][11:16] == quiet["to"]
    await due_now(api)  # woken too early, it goes on waiting
    assert (await states(api))[waits][0] == "delayed"
    await api.put("/pacing", {})
    await due_now(api)
    assert (await states(api))[waits] == ("sent", "")


async def test_who_withdraws_while_a_message_waits_is_not_sent_it(api: Api, hook: Receiver) -> None:
    await connect(api, hook, "ada")
    hour = (times.to_datetime(times.now()).hour + 2) % 24
    waits = await write(api, "ada", 1, timing=f"{hour:02}:00")
    await api.settle()
    assert (await states(api))[waits] == ("delayed", f"until {hour:02}:00")
    await decide(api, "ada", "denied")
    await due_now(api)
    assert (await states(api))[waits] == ("refused", "consent")
    assert hook.requests == []


async def test_what_reached_nobody_takes_no_room(api: Api, hook: Receiver) -> None:
    await connect(api, hook, "ada")
    await api.put("/pacing", {"caps": [{"limit": 1, "window": "7d"}]})
    hook.answer = lambda _: (500, {})
    broken = await write(api, "ada", 1)
    for _ in range(9):
        await due_now(api)
    assert (await states(api))[broken][0] == "parked"
    hook.answer = lambda _: (200, {})
    await write(api, "ada", 2)
    await api.settle()
    assert hook.requests[-1].json["data"]["content"]["template"] == "t2"


async def test_workers_that_decide_at_once_keep_the_cap(api: Api, hook: Receiver) -> None:
    await connect(api, hook, "ada")
    await api.put("/pacing", {"caps": [{"limit": 1, "window": "7d"}]})
    ids = [bytes.fromhex((await write(api, "ada", n)).replace("-", "")) for n in range(8)]
    core, activation = api.instance.core, api.instance.driver.pipeline.activation
    from activation.model import Delivery as Row
    from activation.pacing.model import Go
    from activation.pacing.stage import Due

    async with core.database.transaction() as connection:
        rows = await connection.execute(
            named("select id, profile, purpose, at from deliveries where id = any(:ids)"),
            {"ids": ids},
        )
        due = [Due(Row(i, "mail", p, "", MESSAGE, at, u), "email", {}) for i, p, u, at in rows]
    nodes = {due[0].delivery.profile: [due[0].delivery.profile]}

    async def one(each: Due) -> bool:
        async with core.database.transaction() as connection:
            found = await activation.pacing.decide(connection, [each], nodes, {}, times.now())
            return found[each.delivery.id] == Go()

    assert sum(await asyncio.gather(*map(one, due))) == 1


async def test_hours_are_counted_of_all_and_of_zones_with_enough_people(api: Api) -> None:
    context = {"timezone": "America/New_York"}
    for number in range(21):
        call = {"userId": f"u{number}", "event": "Seen", "context": context}
        await api.send("/v1/track", call | {"timestamp": "2026-11-20T00:30:00Z"})
    await api.send(
        "/v1/track",
        {"userId": "x", "event": "Seen", "context": {"timezone": "America/Denver"}}
        | {"timestamp": "2026-11-20T11:30:00Z"},
    )
    await api.settle()
    assert await api.instance.driver.jobs.rhythms.step() == 22
    async with api.instance.core.database.transaction() as connection:
        found = await store.hours(connection, ["", "America/New_York", "America/Denver"])
    assert found == {"": {19: 21, 4: 1}, "America/New_York": {19: 21}}
