"""What was given up is sent again on demand: with its id, all its tries, and a message's words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from activation import letters, store
from activation.letters import Letter
from activation.model import MESSAGE, Delivery, delivery_id
from cdp import times
from cdp.db import named
from cdp.privacy import telling
from tests.conftest import Api
from tests.integration.test_deliveries import buy, connect, decide, due_now, ledger
from tests.support.receiver import Receiver, receiving

_PROFILE = named("select profile from nodes limit 1")


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def parked(api: Api, hook: Receiver, user: str = "ada") -> None:
    """A delivery that failed as often as it may."""
    await connect(api, hook, max_attempts=1)
    hook.answer = lambda request: (500, {})
    await buy(api, user)
    await api.settle()
    assert [entry["state"] for entry in await ledger(api, "?state=parked")] == ["parked"]
    hook.answer = lambda request: (200, {})


async def replay(api: Api, **said: Any) -> dict[str, Any]:
    answer = await api.call("POST", "/deliveries/replay", json=said)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_it_keeps_its_id_and_begins_anew(api: Api, hook: Receiver) -> None:
    await parked(api, hook)
    assert await replay(api, destination="crm") == {"replayed": 1, "more": False}
    await due_now(api)
    (entry,) = await ledger(api)
    assert (entry["state"], entry["attempts"], entry["status"]) == ("sent", 1, 200)
    first, second = hook.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == entry["id"]
    assert await replay(api) == {"replayed": 0, "more": False}


async def test_one_can_say_which(api: Api, hook: Receiver) -> None:
    await parked(api, hook)
    (entry,) = await ledger(api)
    others: list[dict[str, Any]] = [
        {"destination": "other"},
        {"reason": "HTTP 404"},
        {"ids": ["00000000-0000-0000-0000-000000000000"]},
    ]
    for other in others:
        assert (await replay(api, **other))["replayed"] == 0
    said = {"ids": [entry["id"]], "reason": "HTTP 500", "destination": "crm"}
    assert (await replay(api, **said))["replayed"] == 1


async def test_who_has_withdrawn_meanwhile_is_not_written_to(api: Api, hook: Receiver) -> None:
    await parked(api, hook)
    await decide(api, "ada", "denied")
    await api.settle()
    hook.requests.clear()
    await replay(api, reason="HTTP 500")
    await due_now(api)
    assert hook.requests == []
    states = {entry["change"]: entry["state"] for entry in await ledger(api)}
    assert states["entered"] == "refused"


async def test_a_message_still_has_its_words(api: Api, hook: Receiver) -> None:
    await connect(api, hook, max_attempts=1)
    await buy(api)
    await api.settle()
    texts = {"en": {"title": "Hello"}}
    await api.put("/templates/hello", {"name": "Hello", "channel": "data", "texts": texts})
    core = api.instance.core
    hook.requests.clear()
    hook.answer = lambda request: (500, {})
    ((profile,),) = await core.database.rows(_PROFILE)
    id_, now = delivery_id("crm", "a message"), times.now()
    letter = Delivery(id_, "crm", profile, "", MESSAGE, now, "marketing_email")
    async with core.database.transaction() as connection:
        sealed = lambda one, says: telling.sealed(core.vault.system, one, says)  # noqa: E731
        await letters.write(connection, [Letter(letter, {"template": "hello"})], sealed)
    retry = named("update deliveries set due = :due where id = :id")
    await core.database.rows(retry, due=now - 1, id=id_)
    await due_now(api)
    hook.answer = lambda request: (200, {})
    assert (await replay(api))["replayed"] == 1
    await due_now(api)
    first, second = hook.requests
    assert first.json["data"]["content"]["title"] == "Hello"
    assert second.json == first.json
    async with core.database.transaction() as connection:
        assert await store.bodies(connection, [id_]) == {}
