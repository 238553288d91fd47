"""The whole path once: an SDK call becomes a profile, a membership, a delivery."""

from __future__ import annotations

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
