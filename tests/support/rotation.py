"""Processes with one master key or another, something in every sealed column, and if it opens."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cdp import audit, rotating
from cdp.db import Row
from cdp.errors import Unreadable
from cdp.instance import Running
from cdp.log.vault import Vault
from cdp.rotating import Outcome
from cdp.sealings import COLUMNS
from tests.support.instances import Api, api_on, instance_on
from tests.support.people import ALLOWS, rows, said_by
from tests.support.privacy import ask
from tests.support.stores import MASTER_KEY

NEW_KEY, NEWEST_KEY = "cd" * 32, "ef" * 32
OLD, NEW, NEWEST = (bytes.fromhex(each) for each in (MASTER_KEY, NEW_KEY, NEWEST_KEY))
BOTH = f"{NEW_KEY} {MASTER_KEY}"
BY = audit.now_by("cli:ada", "host", "cdp keys rotate-master")
ADA = "user_id:ada"


@asynccontextmanager
async def process(running: Running, home: Path, master_key: str) -> AsyncIterator[Api]:
    """A collector and a worker that were started with these keys."""
    async with instance_on(running, home, master_key=master_key) as made, api_on(made) as api:
        yield api
    gc.collect()  # a session that a cancelled task left would count as one with the old key


async def live(api: Api) -> dict[str, Any]:
    """Something in each of the sealed columns, and links; returns what must still work later."""
    ada = {"userId": "ada", "anonymousId": "a", "traits": {"email": "ada@example.com"}}
    assert (await api.send("/v1/identify", ada)).is_success
    assert (await api.send("/v1/track", ada)).is_success  # no event name: quarantine
    batch = {"batch": [said_by(row, context=ALLOWS) for row in rows()[:400]]}
    assert (await api.send("/v1/batch", batch)).is_success
    await api.settle()
    await api.put("/segments/goers", {"name": "Goers", "where": {"event": "going"}})
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "segments": ["goers"]}
    await api.put("/destinations/crm", hook)
    await api.settle()
    assert (await api.send("/v1/track", {"userId": "gone", "event": "going"})).is_success
    await api.settle()
    await ask(api, "erase", "user_id:gone", reference="ticket 7")  # which nobody can be told of
    page = {"type": "page", "context": ALLOWS}
    pages = [page | {"userId": f"p{n}"} for n in range(60) for _ in range(n % 4 + 1)]
    assert (await api.send("/v1/batch", {"batch": pages})).is_success
    await api.put("/models/kinds", {"kind": "clusters", "name": "Kinds"})
    await api.put("/identity/matching", {})
    alone = {"namespaces": {"email": {"links": False}}}
    tried = (await api.call("POST", "/identity/rules/dry-run", json=alone)).json()["id"]
    await api.settle()
    await api.put(f"/consent/{ADA}", {"purpose": "marketing_email", "state": "granted"})
    await api.settle()
    receipt = await api.get(f"/consent/{ADA}/receipt")
    asked = {"identifier": "email:ada@example.com"}
    links = (await api.call("POST", "/preferences/links", json=asked)).json()
    assert (await api.get("/quality"))["events"]
    for each in COLUMNS:
        assert (await api.instance.core.database.rows(each.total))[0][0], each.table
    return {
        "tried": tried,
        "signed": receipt["signed"],
        "profile": await api.get(f"/profiles/{ADA}"),
        "link": urlsplit(links["url"]).path,
    }


async def must_work(api: Api, before: dict[str, Any]) -> None:
    """All of it opens; people are called what they were called; signatures hold."""
    model: Any = await api.get("/models/kinds")
    assert model["fit"]["report"]["clusters"]
    profile = await api.get(f"/profiles/{ADA}")
    assert profile["profile_id"] == before["profile"]["profile_id"]
    assert profile["traits"] == before["profile"]["traits"]
    assert all(opens(api.instance.core.vault, *each) for each in await sealed(api))
    assert (await api.get("/quarantine"))["quarantine"]
    assert (await api.get(f"/identity/rules/dry-run/{before['tried']}"))["result"]
    assert (await api.get("/identity/matching"))["learned"]
    assert (await api.get("/quality?event=going"))["events"]
    checked = await api.call("POST", "/consent/receipts/verify", json={"signed": before["signed"]})
    assert (checked.json()["valid"], checked.json()["unmatched"]) == (True, [])
    core = api.instance.core
    async with core.database.transaction() as connection:
        assert (await audit.verify(connection, core.vault)).broken is None


CLOSED = 10.0  # seconds, far longer than a session takes to be gone once it was closed


async def change(running: Running, *masters: bytes, **options: Any) -> Outcome:
    return await rotating.change(running.database_url, masters, BY, **options)


async def sealed(api: Api) -> list[tuple[str, Row]]:
    database = api.instance.core.database
    values = {"after": None, "limit": 10_000}
    return [
        (each.table, row)
        for each in COLUMNS
        for row in await database.rows(each.read, **values | {"after": each.least})
    ]


def opens(vault: Vault, table: str, row: Row) -> bool:
    (column,) = (each for each in COLUMNS if each.table == table)
    with suppress(Unreadable):
        column.seal(vault).open(row[1], column.context(row[0]))
        return True
    return False


async def traffic(api: Api, name: str, stop: asyncio.Event) -> int:
    """New people one after another; returns how many events were acknowledged."""
    count = 0
    while not stop.is_set():
        event = {"userId": f"{name}-{count}", "event": "seen", "messageId": f"{name}-{count}"}
        assert (await api.send("/v1/track", event)).status_code == 200
        assert (await api.send("/v1/track", {"userId": name})).status_code == 200  # quarantine
        count += 1
        await asyncio.sleep(0.01)
    return count
