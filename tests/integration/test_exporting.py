"""An export has every event that was sent, and all that was made of them; nobody else's."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any

from cdp import times
from cdp.db import named
from cdp.times import SECOND
from tests.conftest import Api
from tests.integration.test_deliveries import connect
from tests.support.privacy import ask, done, request
from tests.support.receiver import receiving

ADA = "email:ada@example.com"
MARKER = "PLANTED-7261"


async def archive(api: Api, found: dict[str, Any]) -> zipfile.ZipFile:
    """An export's archive."""
    answer = await api.call("GET", f"/privacy/requests/{found['id']}/archive")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    return zipfile.ZipFile(io.BytesIO(answer.content))


async def exported(api: Api, who: str) -> zipfile.ZipFile:
    return await archive(api, await done(api, "export", who))


def read(found: zipfile.ZipFile, name: str) -> Any:
    return json.loads(found.read(f"{name}.json"))


def cells(found: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(found.read(f"{name}.csv").decode())))


def sent(count: int) -> list[dict[str, Any]]:
    """Events of every kind, on two devices, with properties of every kind."""
    base = times.now() - 3600 * SECOND
    batch: list[dict[str, Any]] = [
        {"type": "identify", "userId": "ada", "anonymousId": "phone"}
        | {"traits": {"email": "ada@example.com", "name": 'Ada Ünïcode, "quoted"', "age": 36}},
        {"type": "group", "userId": "ada", "groupId": "acme", "traits": {"size": 2}},
        {"type": "alias", "userId": "ada", "previousId": "old-ada"},
    ]
    for number in range(count):
        device: dict[str, Any] = {"anonymousId": "laptop"} if number % 3 else {"userId": "ada"}
        kind = ("track", "page", "screen")[number % 3]
        named = {"event": f"Did {number % 7}"} if kind == "track" else {"name": f"at {number}"}
        properties = {"n": number, "deep": {"x": [1, None, True]}, "text": f'=1+{number}\n, "q"'}
        batch.append({"type": kind, **device, **named, "properties": properties})
    batch.append({"type": "identify", "userId": "ada", "anonymousId": "laptop"})
    return [
        each | {"messageId": f"m-{n}", "timestamp": times.iso(base + n * SECOND)}
        for n, each in enumerate(batch)
    ]


async def test_every_event_that_was_sent_is_in_it_and_only_those(api: Api) -> None:
    batch = sent(300)
    others = [{"type": "track", "userId": f"u{n}", "event": "Theirs"} for n in range(50)]
    assert (await api.send("/v1/batch", {"batch": batch + others})).is_success
    await api.settle()
    found = await exported(api, ADA)
    events = {each["message_id"]: each for each in read(found, "events")}
    assert events.keys() == {each["messageId"] for each in batch}
    fields = {"userId": "user_id", "anonymousId": "anonymous_id", "groupId": "group_id"}
    fields |= {"previousId": "previous_id", "properties": "properties", "traits": "traits"}
    for each in batch:
        told = events[each["messageId"]]
        assert told["type"] == each["type"]
        assert told["at"] == each["timestamp"]
        assert told["name"] == each.get("event", each.get("name", ""))
        for field, column in fields.items():
            assert told[column] == each.get(field, type(told[column])()), (field, each)
    rows_ = {each["message_id"]: each for each in cells(found, "events")}
    assert rows_.keys() == events.keys()
    for message_id, row in rows_.items():
        assert json.loads(row["properties"]) == events[message_id]["properties"]
        assert row["name"] == events[message_id]["name"]
    assert f"{len(batch)} events of" in found.read("README.txt").decode()


async def test_all_that_was_made_of_them_is_in_it(api: Api) -> None:
    async with receiving() as hook:
        await connect(api, hook)
        traits = {"email": "ada@example.com", "plan": "pro"}
        await api.send("/v1/identify", {"userId": "ada", "anonymousId": "a", "traits": traits})
        said = {"purpose": "marketing_email", "state": "granted", "notice": "v1"}
        fact = await api.put(f"/consent/{ADA}", said)
        await api.send("/v1/track", {"userId": "ada", "event": "Order Completed"})
        await api.settle()
        word = {"a": "user_id:ada", "b": "anonymous_id:a", "reason": "hers"}
        await api.call("POST", "/identity/link", json=word)
        await api.settle()
        found = await exported(api, "user_id:ada")
    profile: Any = await api.get("/profiles/user_id:ada")
    assert read(found, "person") == profile
    assert {each["value"] for each in read(found, "identifiers")} == {"ada", "a", traits["email"]}
    assert {each["kind"] for each in read(found, "links")} >= {"login", "identify", "linked"}
    told = {each["name"]: each["value"] for each in read(found, "traits")}
    assert told == traits
    assert [each["segment"] for each in read(found, "segments")] == ["buyers"]
    assert [each["change"] for each in read(found, "segment_history")] == ["entered"]
    (decision,) = read(found, "consent")
    assert (decision["event"], decision["notice"]) == (fact["fact"], "v1")
    (delivery,) = read(found, "deliveries")
    assert (delivery["destination"], delivery["state"]) == ("crm", "sent")
    assert delivery["consent"]["fact"] == fact["fact"]
    assert read(found, "preferences") == [{"preference": "frequency", "value": "all"}]
    for name in ("identifiers", "links", "traits", "segments", "consent", "deliveries"):
        assert len(cells(found, name)) == len(read(found, name))


async def test_an_archive_lies_sealed_expires_and_goes_with_its_person(api: Api) -> None:
    await api.send("/v1/track", {"userId": "ada", "event": MARKER})
    await api.settle()
    found = await done(api, "export", "user_id:ada")
    stored = await api.instance.core.database.rows(named("select data from privacy_archives"))
    assert stored
    assert all(MARKER.encode() not in row[0] and row[0][:2] != b"PK" for row in stored)
    assert MARKER in (await archive(api, found)).read("events.json").decode()
    kept = await done(api, "export", "user_id:ada")
    await done(api, "erase", "user_id:ada")
    assert await gone(api, kept) == 410
    await api.send("/v1/track", {"userId": "ada", "event": "Back"})
    await api.settle()
    assert await gone(api, kept) == 410
    again = await done(api, "export", "user_id:ada")
    assert [each["name"] for each in read(await archive(api, again), "events")] == ["Back"]
    await api.instance.core.database.rows(
        named("update privacy_requests set done_at = done_at - interval '8 days'")
    )
    await api.instance.driver.jobs.expire_archives()
    assert await gone(api, again) == 410
    assert (await request(api, again["id"]))["archive"] is None
    left = await api.instance.core.database.rows(named("select count(*) from privacy_archives"))
    assert left[0][0] == 0


async def test_nobody_has_an_archive_with_nothing_in_it(api: Api) -> None:
    found = await exported(api, "user_id:nobody")
    assert (read(found, "events"), read(found, "person")) == ([], {})
    assert (await gone(api, await ask(api, "export", "user_id:x"))) == 404
    assert (await gone(api, await done(api, "erase", "user_id:nobody"))) == 404


async def gone(api: Api, found: dict[str, Any]) -> int:
    return (await api.call("GET", f"/privacy/requests/{found['id']}/archive")).status_code
