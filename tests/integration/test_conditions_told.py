"""Conditions about a person rather than their deeds, live: consent as it is, and when they came."""

from __future__ import annotations

from typing import Any

from cdp import main, times
from cdp.db import named
from cdp.instance import Running
from cdp.replay import until_quiet
from tests.conftest import Api

_DUE = named("select due from profiles")


async def members(api: Api, key: str) -> int:
    await api.settle()
    found: Any = await api.get(f"/segments/{key}/members")
    return len(found["members"])


async def test_a_segment_follows_what_its_people_allow(api: Api, running: Running) -> None:
    line = "consent.marketing_email and count('Viewed') >= 1"
    shown = await api.put("/segments/mailable", {"name": "Mailable", "where": line})
    assert (shown["text"], shown["sentence"]) == (
        line,
        "People who allow marketing_email, and who did “Viewed”.",
    )
    await api.send("/v1/track", {"userId": "ada", "event": "Viewed"})
    said = {"purpose": "marketing_email", "state": "denied"}
    await api.put("/consent/user_id:ada", said)
    assert await members(api, "mailable") == 0
    await api.put("/consent/user_id:ada", said | {"state": "granted"})
    assert await members(api, "mailable") == 1
    await api.put("/consent/user_id:ada", said)
    assert await members(api, "mailable") == 0
    async with main.replaying(api.instance.settings, running) as replay:
        assert all(each.equal for each in await until_quiet(replay))


async def test_a_purpose_nobody_defined_is_told_with_those_there_are(api: Api) -> None:
    where = {"any": [{"consent": "marketing_mail"}, {"trait": "a", "exists": True}]}
    answer = await api.call("PUT", "/segments/x", json={"name": "X", "where": where})
    assert (answer.status_code, answer.json()["field"]) == (400, "where")
    assert "where: unknown purpose marketing_mail; known are analytics, " in answer.json()["detail"]


async def test_who_is_new_leaves_at_the_instant_they_are_not(api: Api) -> None:
    await api.put("/segments/new", {"name": "New", "where": "first_seen within 2h"})
    came = times.now() - 7_000 * times.SECOND
    for at in (came, times.now()):
        seen = {"userId": "ada", "event": "Viewed", "timestamp": times.iso(at)}
        await api.send("/v1/track", seen)
    assert await members(api, "new") == 1
    ((due,),) = await api.instance.core.database.rows(_DUE)
    assert due == came + 7_200 * times.SECOND
