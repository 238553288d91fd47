"""The whole path once: an SDK call becomes a profile, a membership, a delivery."""

from __future__ import annotations

from cdp import times
from cdp.events import TOUCHED
from cdp.log.store import Message, Record
from cdp.stream.stage import Unit
from tests.conftest import Api


async def test_an_order_becomes_a_profile_and_a_membership(api: Api) -> None:
    where = {"event": "Order Completed", "where": [{"property": "revenue", "gt": 50}]}
    segment = {"name": "Big spenders", "purpose": "analytics", "where": where}
    answer = await api.call("PUT", "/segments/big-spenders", json=segment)
    assert answer.status_code == 200, answer.text
    await api.settle()
    call = {"userId": "ada", "event": "Order Completed", "properties": {"revenue": 51.2}}
    answer = await api.send("/v1/track", call)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    await api.settle()
    profile = (await api.call("GET", "/profiles/user_id:ada")).json()
    assert profile["segments"] == ["big-spenders"]
    assert profile["events"] == {"Order Completed": 1}
    assert profile["identifiers"] == {"user_id": ["ada"]}
    members = (await api.call("GET", "/segments/big-spenders/members")).json()["members"]
    assert [member["profile_id"] for member in members] == [profile["profile_id"]]
    changes = (await api.call("GET", "/segments/big-spenders/changes")).json()
    assert [change["change"] for change in changes["changes"]] == ["entered"]


async def test_a_touch_of_the_profile_that_a_subject_has_left_reaches_the_one_it_is_in(
    api: Api,
) -> None:
    """Two workers: one folds an event while the other moves its subject to another profile."""
    core, pipeline = api.instance.core, api.instance.driver.pipeline
    for name in ("ada", "bob"):
        await api.send("/v1/track", {"userId": name, "event": "Seen"})
    await api.settle()
    ada, bob = (core.vault.subject("user_id", name) for name in ("ada", "bob"))
    event = b"e" * 16
    async with core.database.transaction() as connection:
        unit = Unit(connection, times.now())
        touched = [Record(0, bob, b"", event + bob), Record(1, bob, b"", event + ada)]
        await pipeline.on_touched(unit, touched)
    assert unit.messages == [Message(TOUCHED, ada, event + ada)]
