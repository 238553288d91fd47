"""The audit log: every change has its entry, tampering shows, and people stay unnamed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from cdp import audit, times
from cdp.audit import Entry
from cdp.collect import keys
from cdp.db import named
from cdp.locks import Lock
from tests.conftest import Api
from tests.integration.test_authorisation import MANAGED, Guarded
from tests.support.instances import Instance, api_on

FORGED = named("update audit set name = 'somebody else' where position = :position")
GONE = named("delete from audit where position = :position")
UNGUARDED = named("set local session_replication_role = 'replica'")  # as only a superuser may
SECONDS = 20.0  # far longer than an entry takes
SEGMENT = {"name": "Buyers", "where": {"event": "Order Completed"}}


async def entries(api: Api, least: int, query: str = "") -> list[Any]:
    """Newest first, once there are so many: what was only read is written a moment later."""
    deadline = time.monotonic() + SECONDS
    while True:
        answer = await api.call("GET", f"/audit?limit=1000{query}")
        assert answer.status_code == 200, answer.text
        found = list(answer.json()["entries"])
        if len(found) >= least or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.05)


async def verdict(api: Api) -> audit.Verdict:
    core = api.instance.core
    async with core.database.transaction() as connection:
        return await audit.verify(connection, core.vault)


async def test_a_change_is_noted_with_who_what_and_when(api: Api) -> None:
    path = "/api/v1/segments/buyers"
    headers = {
        "authorization": f"Bearer {api.instance.keys['api_key']}",
        "x-request-id": "ticket-7",
    }
    assert (await api.client.put(path, json=SEGMENT, headers=headers)).status_code == 200
    (entry,) = await entries(api, 1)
    assert entry.pop("at") <= times.iso(times.now())
    assert len(entry.pop("mac")) == 64
    assert entry == {
        "position": 1,
        "actor": "api:1",
        "name": "first",
        "address": "203.0.113.7",
        "action": "PUT /api/v1/segments/{key}",
        "target": "buyers",
        "people": [],
        "outcome": "done",
        "request": "ticket-7",
    }


CONTENT: dict[str, Any] = {
    "POST /api/v1/profiles/read": {"refs": ["user_id:ada"]},
    "PUT /api/v1/segments/{key}": SEGMENT,
    "POST /api/v1/segments/preview": {"where": {"event": "Order Completed"}},
    "PUT /api/v1/traits/{key}": {"name": "Orders", "value": "count('Order Completed')"},
    "PUT /api/v1/models/{key}": {"kind": "clusters", "name": "Kinds"},
    "PUT /api/v1/identity/rules": {},
    "POST /api/v1/identity/rules/dry-run": {},
    "PUT /api/v1/identity/matching": {},
    "DELETE /api/v1/identity/matching": None,
    "POST /api/v1/identity/link": {"a": "user_id:ada", "b": "user_id:bob", "reason": "r"},
    "POST /api/v1/identity/unlink": {"a": "user_id:ada", "b": "user_id:bob", "reason": "r"},
    "PUT /api/v1/consent/purposes/{key}": {"name": "N", "by_default": "denied"},
    "PUT /api/v1/consent/notices/{key}": {"texts": {"en": {"title": "T", "text": "N"}}},
    "POST /api/v1/consent/receipts/verify": {"signed": "a.b.c"},
    "PUT /api/v1/preferences/brand": {},
    "DELETE /api/v1/preferences/links/{ref}": None,
    "PUT /api/v1/consent/{ref}": {"purpose": "analytics", "state": "denied"},
    "PUT /api/v1/templates/{key}": {
        "name": "T",
        "channel": "data",
        "texts": {"en": {"line": "Hello"}},
    },
    "PUT /api/v1/campaigns/{key}": {
        "name": "C",
        "trigger": {"call": True},
        "purpose": "analytics",
        "steps": [{"wait": "1d"}],
    },
    "PUT /api/v1/pacing": {"caps": [{"limit": 3, "window": "7d"}]},
    "PUT /api/v1/destinations/{key}": {"kind": "webhook", "url": "http://127.0.0.1:9/"},
    "POST /api/v1/content/import": {"feed": {"items": []}, "prefix": "b", "slots": ["hero"]},
    "PUT /api/v1/content/{key}": {
        "name": "N",
        "slots": ["hero"],
        "variants": [{"key": "a", "html": {"en": "x"}}],
    },
    "POST /api/v1/quarantine/replay": {},
    "POST /api/v1/deliveries/replay": {},
    "PUT /api/v1/tracking-plans/{source}": {"owner": "o", "events": {}},
    "POST /api/v1/privacy/requests": {"kind": "erase", "identifier": "user_id:ada"},
}
CHANGES = [row for row in MANAGED if row.method != "GET"]


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: f"{row.method} {row.path}")
async def test_every_change_leaves_one_entry_done_or_refused(api: Api, row: Guarded) -> None:
    action = f"{row.method} {row.path}"
    path = row.address[len("/api/v1") :]
    answer = await api.call(row.method, path, json=CONTENT.get(action, {}))
    found = [each for each in await entries(api, 1) if each["action"] == action]
    assert [each["outcome"] for each in found] == [
        "done" if answer.is_success else str(answer.status_code)
    ]
    assert answer.is_success == (action in CONTENT), answer.text


async def test_a_change_that_fails_leaves_no_word_that_it_was_done(api: Api) -> None:
    refused = await api.call("PUT", "/segments/buyers", json=SEGMENT | {"purpose": "unknown"})
    assert refused.status_code == 400
    damaged = await api.call("PUT", "/segments/Not%20a%20key", json=SEGMENT)
    assert damaged.status_code == 400
    found = await entries(api, 2)
    assert [(each["outcome"], each["target"]) for each in found] == [
        ("400", "?"),
        ("400", "buyers"),
    ]


async def test_who_looks_at_a_person_is_noted_and_who_asks_finds_it(api: Api) -> None:
    await api.send("/v1/identify", {"userId": "grace", "traits": {"email": "grace@example.com"}})
    await api.settle()
    await api.get("/profiles/email:grace@example.com")
    await api.get("/consent/user_id:grace")
    await api.get("/identity/explain?a=user_id:grace&b=email:grace@example.com")
    await api.get("/deliveries?profile=user_id:grace")
    assert (await api.call("GET", "/profiles/user_id:bob")).status_code == 404
    await api.get("/segments")
    found = await entries(api, 5)
    assert len(found) == 5
    assert "grace" not in str(found)
    about = [each["action"] for each in await entries(api, 3, "&about=user_id:grace")]
    assert about == [
        "GET /api/v1/deliveries",
        "GET /api/v1/identity/explain",
        "GET /api/v1/consent/{ref}",
    ]
    (missed,) = await entries(api, 1, "&about=user_id:bob")
    assert missed["outcome"] == "404"


async def test_reads_may_go_unnoted_and_changes_may_not(instance: Instance) -> None:
    settings = replace(instance.settings, audit_reads=False)
    async with api_on(replace(instance, settings=settings)) as api:
        await api.send("/v1/page", {"userId": "ada"})
        await api.settle()
        await api.get("/profiles/user_id:ada")
        await api.put("/segments/buyers", SEGMENT)
        assert [each["action"] for each in await entries(api, 1)] == ["PUT /api/v1/segments/{key}"]


async def test_a_scope_that_lacks_is_noted_and_a_wrong_key_is_not(api: Api) -> None:
    async with api.instance.core.database.transaction() as connection:
        await keys.add_api_key(connection, "reader", "cdp_reader", ["segments:read"])
    for key in ("cdp_reader", "cdp_wrong"):
        await api.client.delete("/api/v1/segments/x", headers={"authorization": f"Bearer {key}"})
    (entry,) = await entries(api, 1)
    assert (entry["name"], entry["outcome"]) == ("reader", "403")
    assert entry["action"] == "DELETE /api/v1/segments/{key}"


async def test_pages_and_filters(api: Api) -> None:
    for number in range(5):
        await api.put(f"/segments/s{number}", SEGMENT)
    first: Any = await api.get("/audit?limit=2")
    second: Any = await api.get(f"/audit?limit=2&cursor={first['next']}")
    last: Any = await api.get(f"/audit?limit=2&cursor={second['next']}")
    pages = [[each["target"] for each in page["entries"]] for page in (first, second, last)]
    assert (pages, last["next"]) == ([["s4", "s3"], ["s2", "s1"], ["s0"]], None)
    action = "PUT /api/v1/segments/{key}"
    for query, count in (
        (f"action={action}", 5),
        ("action=x", 0),
        ("actor=api:1", 5),
        ("actor=x", 0),
    ):
        page: Any = await api.get(f"/audit?{query}")
        assert len(page["entries"]) == count


async def test_side_by_side_they_make_one_chain(api: Api) -> None:
    assert await verdict(api) == audit.Verdict(0, 0, b"", None)
    await asyncio.gather(*(api.put(f"/segments/s{n}", SEGMENT) for n in range(20)))
    assert [each["position"] for each in await entries(api, 20)] == list(range(20, 0, -1))
    whole = await verdict(api)
    assert (whole.first, whole.last, whole.broken) == (1, 20, None)


async def chain(api: Api, length: int) -> list[Any]:
    for number in range(length):
        await api.put(f"/segments/s{number}", SEGMENT)
    return await entries(api, length)


async def test_the_database_itself_refuses_to_change_it(api: Api) -> None:
    await chain(api, 1)
    for statement in (FORGED, GONE, named("truncate audit -- :position")):
        with pytest.raises(DBAPIError, match="append-only"):
            async with api.instance.core.database.transaction() as connection:
                await connection.execute(statement, {"position": 1})


@pytest.mark.parametrize("position", [1, 3, 5])
@pytest.mark.parametrize("forgery", [FORGED, GONE], ids=["altered", "taken out"])
async def test_who_gets_past_that_breaks_the_chain(api: Api, forgery: Any, position: int) -> None:
    noted = (await chain(api, 5))[0]["mac"]
    async with api.instance.core.database.transaction() as connection:
        await connection.execute(UNGUARDED)
        await connection.execute(forgery, {"position": position})
    found = await verdict(api)
    if forgery is GONE and position == 5:  # the end is cut off: only what was noted shows that
        assert (found.broken, found.last) == (None, 4)
        assert found.mac.hex() != noted
    else:
        assert found.broken in {position, position + 1}


async def test_an_entry_put_in_without_the_master_key_breaks_it(api: Api) -> None:
    await chain(api, 2)
    copied = named(
        """
        insert into audit select 3, at, actor, name, address, action, 'forged', people, outcome,
                                 request, mac from audit where position = 2
        """
    )
    async with api.instance.core.database.transaction() as connection:
        await connection.execute(copied)
    assert (await verdict(api)).broken == 3


async def test_the_oldest_part_may_go_and_the_rest_is_still_whole(api: Api) -> None:
    core = api.instance.core
    old = times.from_datetime(datetime.now(UTC) - timedelta(days=400))
    entry = Entry(old, "cli:root", "host", "", "cdp keys create", "old")
    async with core.database.transaction() as connection:
        await audit.write(connection, core.vault, [entry] * 3)
    await chain(api, 2)
    year = datetime.now(UTC) - timedelta(days=365)
    by = audit.now_by("cli:root", "host", audit.TRIMMED)
    for gone in (3, 0):
        async with core.database.transaction() as connection:
            assert await audit.trim(connection, core.vault, year, by) == gone
    found = await entries(api, 3)
    assert [each["action"] for each in found[:1]] == ["cdp audit trim"]
    whole = await verdict(api)
    assert (whole.first, whole.last, whole.broken) == (4, 6, None)
    async with core.database.transaction() as connection:
        await connection.execute(UNGUARDED)
        await connection.execute(GONE, {"position": 4})
    assert (await verdict(api)).broken == 5


async def test_a_relay_or_a_scheduler_that_leads_holds_no_change_up(api: Api) -> None:
    async with api.instance.core.database.transaction() as leading:
        for lock in set(Lock) - {Lock.AUDIT}:
            await leading.execute(named("select pg_advisory_xact_lock(:lock)"), {"lock": int(lock)})
        async with asyncio.timeout(SECONDS):
            await api.put("/segments/buyers", SEGMENT)
