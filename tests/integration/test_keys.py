"""The life of a key: made for a while, seen in use, ended; write keys nobody knows cost little."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from cdp.collect import keys
from cdp.collect.keys import Key, hashed
from cdp.collect.sources import Sources
from cdp.db import named
from tests.acceptance.conftest import platform  # noqa: F401 - the fixture
from tests.conftest import Api
from tests.support.platform import Platform

SECONDS = 20.0  # far longer than it takes to note that a key is used
ENDED = named("update api_keys set expires_at = now() - interval '1 second' where name = :name")


async def listed(api: Api) -> dict[str, Key]:
    async with api.instance.core.database.transaction() as connection:
        return {each.name + " " + each.kind: each for each in await keys.listed(connection)}


async def make(api: Api, name: str, **options: Any) -> dict[str, str]:
    async with api.instance.core.database.transaction() as connection:
        await keys.add_api_key(connection, name, f"cdp_{name}", ["segments:read"], **options)
    return {"authorization": f"Bearer cdp_{name}"}


async def test_a_key_ends_by_itself(api: Api) -> None:
    for_good, for_a_day = await make(api, "good"), await make(api, "day", days=1)
    for headers in (for_good, for_a_day):
        answer = await api.client.get("/api/v1/segments", headers=headers)
        assert answer.status_code == 200
    ended = await make(api, "ended", days=1)
    async with api.instance.core.database.transaction() as connection:
        await connection.execute(ENDED, {"name": "ended"})
    assert (await api.client.get("/api/v1/segments", headers=ended)).status_code == 401
    ends = {each.name: each.expires_at for each in (await listed(api)).values()}
    assert ends["good"] is None
    assert ends["day"] is not None


async def test_use_is_noted_and_so_is_none(api: Api) -> None:
    await make(api, "idle")
    await api.call("GET", "/segments")
    await api.send("/v1/page", {"anonymousId": "a"})
    deadline = time.monotonic() + SECONDS
    while (found := await listed(api))["first write"].used_at is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    assert found["idle api"].used_at is None
    assert found["first api"].used_at is not None


async def test_a_key_is_revoked_by_itself_or_by_its_id(api: Api) -> None:
    await make(api, "one")
    await make(api, "two")
    numbers = {each.name: each.id for each in (await listed(api)).values() if each.kind == "api"}
    async with api.instance.core.database.transaction() as connection:
        assert await keys.revoke(connection, "cdp_one") == "one"
        assert await keys.revoke(connection, f"api:{numbers['two']}") == "two"
        for gone in ("cdp_one", f"api:{numbers['two']}", "api:", "api:999", "", "write:x"):
            assert await keys.revoke(connection, gone) is None
    found = await listed(api)
    assert [found[f"{name} api"].revoked_at is None for name in ("first", "one", "two")] == [
        True,
        False,
        False,
    ]


async def test_trying_many_write_keys_does_not_keep_the_database_busy(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Sources(api.instance.core.database)
    looks: list[float] = []
    load = sources._load

    async def counted() -> None:
        looks.append(time.monotonic())
        await load()

    monkeypatch.setattr(sources, "_load", counted)
    for number in range(500):
        assert await sources.find(hashed(f"guess {number}")) is None
    assert len(looks) <= 21 * (looks[-1] - looks[0] + 2)
    assert await sources.find(hashed(api.instance.keys["write_key"])) is not None


def test_the_command_line_tells_and_notes(platform: Platform) -> None:  # noqa: F811
    made = platform.command("keys", "create", "life", "--api", "--scope", "audit:read").strip()
    before = json.loads(platform.command("keys", "list", "--json"))
    (ours,) = (each for each in before if each["name"] == "life")
    assert (ours["scopes"], ours["revoked_at"], ours["used_at"]) == (["audit:read"], "", "")
    assert made not in platform.command("keys", "list")
    platform.command("keys", "revoke", ours["id"])
    lines = platform.command("audit", "--json", "--limit", "2").splitlines()
    newest, older = map(json.loads, lines)
    assert (newest["action"], newest["target"]) == ("cdp keys revoke", "life")
    assert (older["action"], older["target"]) == ("cdp keys create --api", "life")
    assert newest["actor"].startswith("cli:")
    noted = platform.command("audit", "verify").splitlines()[-1]
    assert platform.command("audit", "verify", "--noted", noted).startswith("Whole from 1 to ")
    with pytest.raises(AssertionError, match="--noted"):
        platform.command("audit", "verify", "--noted", "x")
    cut = f"{int(noted.partition(':')[0]) + 5}:{'0' * 64}"
    with pytest.raises(AssertionError):
        platform.command("audit", "verify", "--noted", cut)
    assert platform.command("audit", "trim", "--days", "1").startswith("0 entries")
