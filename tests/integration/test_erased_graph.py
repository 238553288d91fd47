"""What an erasure leaves of the graph is what the log says without them: replays agree."""

from __future__ import annotations

import random
from typing import Any

import pytest

from cdp.db import named
from cdp.instance import Running
from tests.conftest import Api
from tests.integration.test_erasing import ids, traces, verified
from tests.support.people import ALLOWS, rows, said_by
from tests.support.privacy import done


async def test_who_is_only_alike_stays(api: Api, running: Running) -> None:
    batch = [said_by(row, context=ALLOWS) for row in rows()[:400]]
    assert (await api.send("/v1/batch", {"batch": batch})).is_success
    await api.settle()
    await api.put("/identity/matching", {})
    await api.put("/identity/rules", {"confidence": 0.9})
    await api.settle()
    database = api.instance.core.database
    pair = named(
        "select encode(a, 'hex'), encode(b, 'hex') from inferences i join nodes x on x.id = i.a"
        " join nodes y on y.id = i.b where x.profile = y.profile limit 1"
    )
    ((one, other),) = await database.rows(pair)
    before: Any = await api.get(f"/profiles/profile_id:{other}")
    asked = await done(api, "erase", f"profile_id:{one}")
    after: Any = await api.get(f"/profiles/profile_id:{other}")
    assert (await api.call("GET", f"/profiles/profile_id:{one}")).status_code == 404
    names = [sum(map(len, each["identifiers"].values())) for each in (before, after)]
    assert names[1] > 0
    assert names[0] - names[1] == asked["subjects"]
    assert await verified(api, running)


async def test_somebody_elses_link_to_what_they_shared_stays_theirs(
    api: Api, running: Running
) -> None:
    """One address, two users: the limit keeps them apart, and what bob said of it is his."""
    for user in ("ada", "bob"):
        traits = {"traits": {"email": "home@example.com"}}
        await api.send("/v1/identify", {"userId": user, **traits})
        await api.settle()
    assert (await api.get("/profiles/email:home@example.com"))["identifiers"] == {
        "email": ["home@example.com"],
        "user_id": ["ada"],
    }
    word = {"a": "user_id:bob", "b": "user_id:ada", "reason": "two people"}
    await api.call("POST", "/identity/unlink", json=word)
    await api.settle()
    await done(api, "erase", "user_id:ada")
    assert (await api.get("/profiles/email:home@example.com"))["identifiers"] == {
        "email": ["home@example.com"],
        "user_id": ["bob"],
    }
    assert await verified(api, running)


def heard(chance: random.Random, people: int) -> dict[str, Any]:
    """A call of somebody, on a device that others use too, perhaps with a shared address."""
    who = chance.randrange(people)
    call: dict[str, Any] = {"anonymousId": f"device-{chance.randrange(people * 2)}"}
    if chance.random() < 0.7:
        call["userId"] = f"user-{who}"
    match chance.randrange(4):
        case 0:
            return {"type": "track", "event": f"Did {chance.randrange(3)}", **call}
        case 1 if "userId" in call:
            return {"type": "alias", "previousId": f"old-{chance.randrange(people)}", **call}
        case _:
            shared = chance.choice([who, who, chance.randrange(people), people])
            return {"type": "identify", "traits": {"email": f"{shared}@example.com"}, **call}


@pytest.mark.parametrize("seed", range(5))
async def test_what_is_left_is_what_the_log_says_without_them(
    api: Api, running: Running, seed: int
) -> None:
    """However people share devices and addresses: a replay agrees after every erasure."""
    chance = random.Random(seed)
    await api.put("/segments/doers", {"name": "Doers", "where": {"event": "Did 1"}})
    await api.put("/identity/rules", {"namespaces": {"email": {"people": 3}}} if seed % 2 else {})
    for _ in range(3):
        batch = [heard(chance, 9) for _ in range(60)]
        assert (await api.send("/v1/batch", {"batch": batch})).is_success
        await api.settle()
        a, b = chance.sample(range(9), 2)
        word = {"a": f"user_id:user-{a}", "b": f"user_id:user-{b}", "reason": "r"}
        await api.call("POST", f"/identity/{chance.choice(['link', 'unlink'])}", json=word)
        await api.settle()
        who = chance.choice(
            [f"user_id:user-{a}", f"email:{b}@example.com", "anonymous_id:device-1"]
        )
        subjects = await ids(api, who)
        found = await done(api, "erase", who)
        assert found["subjects"] == max(1, len(subjects))
        left = (await traces(api, subjects)).keys()
        assert left <= {"nodes.id", "edges.a", "edges.b", "profiles.id", "memberships.profile"}
        assert await verified(api, running)
