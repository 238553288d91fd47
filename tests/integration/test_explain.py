"""Why somebody is in a segment, over HTTP: with the events behind it, and what is missing."""

from __future__ import annotations

from typing import Any

from cdp import times
from tests.conftest import Api

LINE = "count('Order Completed' where revenue > 50, 30d) >= 2 and trait.country in ('DE', 'AT')"


async def explained(api: Api, who: str = "user_id:ada") -> dict[str, Any]:
    await api.settle()
    return dict(await api.get(f"/profiles/{who}/segments/loyal/explain"))


async def order(api: Api, revenue: float, **more: Any) -> None:
    properties = {"revenue": revenue}
    call = {"userId": "ada", "event": "Order Completed", "properties": properties, **more}
    assert (await api.send("/v1/track", call)).status_code == 200


async def test_what_is_missing_and_then_what_it_rests_on(api: Api) -> None:
    await api.put("/segments/loyal", {"name": "Loyal", "where": LINE})
    await api.send("/v1/identify", {"userId": "ada", "traits": {"country": "DE"}})
    first = times.now() - 3_600 * times.SECOND
    await order(api, 60, timestamp=times.iso(first))
    await order(api, 10)
    found = await explained(api)
    assert (found["member"], found["since"], found["until"], found["because"]) == (
        False,
        None,
        None,
        [],
    )
    assert found["missing"] == ["count('Order Completed' where revenue > 50, 30d) >= 2"]
    await order(api, 70)
    found = await explained(api)
    assert (found["member"], found["missing"]) == (True, [])
    assert found["until"] == times.iso(first + 30 * 86_400 * times.SECOND)
    count, trait = found["tree"]["of"]
    assert (count["value"], len(count["events"]), trait["value"]) == (2, 2, "DE")
    assert count["events"][0]["at"] == times.iso(first)
    changes: Any = await api.get("/segments/loyal/changes")
    assert changes["changes"][-1]["cause"] == count["events"][1]["id"]


async def test_a_purpose_that_is_not_allowed_is_what_is_missing(api: Api) -> None:
    body = {"name": "Loyal", "purpose": "sale_or_share", "where": {"event": "Viewed"}}
    await api.put("/segments/loyal", body)
    seen = {"userId": "ada", "event": "Viewed"}
    await api.send("/v1/track", seen, **{"sec-gpc": "1"})
    found = await explained(api)
    assert (found["member"], found["missing"]) == (
        False,
        ["consent.sale_or_share", "count('Viewed') >= 1"],
    )
    said = {"purpose": "sale_or_share", "state": "granted"}
    await api.put("/consent/user_id:ada", said)
    found = await explained(api)
    assert found["missing"] == ["count('Viewed') >= 1"]  # the one there is came with a no
    await api.send("/v1/track", seen)
    found = await explained(api)
    assert (found["member"], found["tree"]["value"]) == (True, 1)


async def test_who_and_what_there_is_not(api: Api) -> None:
    await api.put("/segments/loyal", {"name": "Loyal", "where": LINE})
    nobody = await api.call("GET", "/profiles/user_id:nobody/segments/loyal/explain")
    assert nobody.status_code == 404
    await order(api, 1)
    await api.settle()
    nothing = await api.call("GET", "/profiles/user_id:ada/segments/none/explain")
    assert (nothing.status_code, nothing.json()["detail"]) == (404, "there is no segment none")
