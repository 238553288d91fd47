"""A replay gives the same state, finds a difference where there is one, and decides nothing."""

from __future__ import annotations

import pytest

from bench.shop import messages
from cdp import main
from cdp.db import named
from cdp.instance import Running
from cdp.replay import until_quiet
from tests.conftest import Api
from tests.support.listing import listing

BUYERS = {"event": "Order Completed", "where": [{"property": "revenue", "gt": 50}], "within": "7d"}
GERMANS = {"all": [{"trait": "country", "eq": "DE"}, {"event": "page", "count": {"gte": 2}}]}


@pytest.fixture
async def busy(api: Api) -> Api:
    """An instance with a few hundred events, two segments and some consent."""
    for key, where in (("buyers", BUYERS), ("germans", GERMANS)):
        body = {"name": key, "where": where}
        assert (await api.call("PUT", f"/segments/{key}", json=body)).status_code == 200
    stream = messages(40)
    for _ in range(6):
        batch = [next(stream) for _ in range(100)]
        assert (await api.send("/v1/batch", {"batch": batch})).status_code == 200
        await api.settle()
    decision = {"purpose": "marketing_email", "state": "granted"}
    answer = await api.call("PUT", "/consent/user_id:user-00000001", json=decision)
    assert answer.status_code == 200
    await api.settle()
    return api


async def test_the_replayed_state_is_the_live_state(busy: Api, running: Running) -> None:
    async with main.replaying(busy.instance.settings, running) as replay:
        comparisons = await until_quiet(replay)
    assert {c.live.projection for c in comparisons} == {
        "identity",
        "consent",
        "fragments",
        "profiles",
        "memberships",
    }
    assert all(comparison.equal for comparison in comparisons), comparisons
    assert all(comparison.live.rows for comparison in comparisons)


@pytest.mark.parametrize(
    ("damage", "projection"),
    [
        (
            "delete from memberships where ctid = (select min(ctid) from memberships)",
            "memberships",
        ),
        (
            "update nodes set first_seen = 1 where ctid = (select min(ctid) from nodes)",
            "identity",
        ),
        ("update profiles set due = due + 1 where due is not null", "profiles"),
        ("update decisions set state = 'denied'", "consent"),
        (
            "delete from fragments where ctid = (select min(ctid) from fragments)",
            "fragments",
        ),
    ],
)
async def test_damage_shows(busy: Api, running: Running, damage: str, projection: str) -> None:
    await busy.instance.core.database.rows(named(damage))
    async with main.replaying(busy.instance.settings, running) as replay:
        comparisons = await until_quiet(replay)
    assert [c.live.projection for c in comparisons if not c.equal] == [projection]


async def test_tables_keep_the_names_of_their_indexes(busy: Api, running: Running) -> None:
    """Migrations find them by these."""
    before = listing(running.database_url)
    async with main.replaying(busy.instance.settings, running) as replay:
        await replay.replace()
    assert listing(running.database_url) == before


async def test_a_replay_mends_and_the_live_agents_go_on(busy: Api, running: Running) -> None:
    before = (await busy.call("GET", "/profiles/user_id:user-00000001")).json()
    changes = (await busy.call("GET", "/segments/buyers/changes")).json()
    await busy.instance.core.database.rows(named("delete from fragments"))
    await busy.instance.core.database.rows(named("update nodes set profile = id"))
    async with main.replaying(busy.instance.settings, running) as replay:
        assert await replay.replace() == 601
    assert (await busy.call("GET", "/profiles/user_id:user-00000001")).json() == before
    assert (await busy.call("GET", "/segments/buyers/changes")).json() == changes
    order = {"userId": "user-00000001", "event": "Order Completed", "properties": {"revenue": 99}}
    await busy.send("/v1/track", order)
    await busy.settle()
    after = (await busy.call("GET", "/profiles/user_id:user-00000001")).json()
    ordered = before["events"].get("Order Completed", 0)
    assert after["events"]["Order Completed"] == ordered + 1
