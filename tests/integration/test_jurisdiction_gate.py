"""The collection gate by law: nothing is stored of somebody whose law asks for a yes first."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cdp.collect import keys
from cdp.db import named
from cdp.instance import Running
from tests.conftest import Api
from tests.support.collected import stored
from tests.support.instances import api_on, instance_on


@pytest.fixture
async def strict(running: Running, tmp_path: Path) -> AsyncIterator[Api]:
    """An instance that takes nobody to be anywhere: the strictest law holds."""
    async with instance_on(running, tmp_path, place="") as instance, api_on(instance) as made:
        yield made


_NUMBERS = itertools.count(1)


def page(user: str, **context: Any) -> dict[str, Any]:
    """One after the other in the order of their ids, too."""
    sent = {"type": "page", "anonymousId": user, "context": context}
    return sent | {"messageId": f"{next(_NUMBERS):04d}"}


async def names(api: Api) -> list[tuple[str, str]]:
    return [(each.anonymous_id, each.type) for each in await stored(api)]


async def count(api: Api, table: str) -> int:
    async with api.instance.core.database.transaction() as connection:
        return int((await connection.execute(named(f"select count(*) from {table}"))).scalar_one())


async def test_where_the_law_asks_for_a_yes_nothing_is_stored_before_it(strict: Api) -> None:
    batch = [
        page("nowhere"),
        page("berlin", timezone="Europe/Berlin"),
        page("california", location={"country": "US", "region": "CA"}),
        page("montreal", timezone="America/Toronto", locale="en-US"),
    ]
    assert (await strict.send("/v1/batch", {"batch": batch})).status_code == 200
    assert await names(strict) == [("california", "page"), ("montreal", "page")]
    assert await count(strict, "subjects") == 2  # of the others not even a key is left
    assert await count(strict, "uncollected") == 1


async def test_a_stamp_opens_and_of_the_rest_what_it_says_of_consent_is_kept(strict: Api) -> None:
    yes = {"categoryPreferences": {"Analytics": True}}
    other = {"categoryPreferences": {"Advertising": False}}
    await strict.send("/v1/page", page("a", consent=yes))
    await strict.send("/v1/page", page("b", consent=other))
    await strict.settle()
    await strict.send("/v1/page", page("a"))
    await strict.send("/v1/page", page("b"))
    assert await names(strict) == [("a", "page"), ("b", "consent"), ("a", "page")]
    found = await strict.get("/consent/anonymous_id:b")
    assert found["decisions"] == {"sale_or_share": found["decisions"]["sale_or_share"]}  # type: ignore[index]
    assert found["defaults"]["analytics"] == {  # type: ignore[index]
        "state": "denied",
        "basis": "consent",
        "regime": "gdpr",
    }


async def test_what_is_necessary_is_stored_whatever_anybody_decided(strict: Api) -> None:
    key = keys.new_write_key()
    async with strict.instance.core.database.transaction() as connection:
        await keys.add_source(connection, "orders", key, necessary=True)
    order = {"type": "track", "event": "Order Completed", "userId": "ada"}
    await strict.send("/v1/track", {"event": "Seen", "userId": "ada"})
    await strict.send("/v1/track", order, **{"x-write-key": key})
    no = {"purpose": "analytics", "state": "denied"}
    await strict.put("/consent/user_id:ada", no)
    await strict.settle()
    await strict.send("/v1/track", order, **{"x-write-key": key})
    found = sorted(each.name for each in await stored(strict))
    assert found == ["", "Order Completed", "Order Completed"]


async def test_an_operator_may_set_another_basis_for_a_law(strict: Api) -> None:
    basis = {"basis": "legitimate_interests", "default": "granted"}
    purpose = {"name": "Analytics", "bases": {"gdpr": basis}, "signals": ["Statistics"]}
    await strict.put("/consent/purposes/analytics", purpose)
    async with asyncio.timeout(10):  # collectors hear of it by notification
        while not await names(strict):
            await strict.send("/v1/page", page("a", locale="de-DE"))
    await strict.send("/v1/page", page("b", locale="pt-BR"))
    assert set(await names(strict)) == {("a", "page")}


async def test_defaults_follow_where_somebody_is_seen(strict: Api) -> None:
    await strict.send("/v1/page", page("a", location={"country": "US", "region": "CA"}))
    await strict.settle()
    found = await strict.get("/consent/anonymous_id:a")
    assert found["state"]["sale_or_share"] == "granted"  # type: ignore[index]
    yes = {"categoryPreferences": {"Analytics": True}}
    await strict.send("/v1/page", page("a", location={"country": "DE"}, consent=yes))
    await strict.settle()
    found = await strict.get("/consent/anonymous_id:a")
    assert found["state"]["sale_or_share"] == "denied"  # type: ignore[index]
