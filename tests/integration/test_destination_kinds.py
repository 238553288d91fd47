"""Audiences in tables, in files and on other platforms: entries, exits, erasures, tries again."""

from __future__ import annotations

import csv
import io
import json
import stat
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import polars
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from activation.claims import begin
from activation.kinds.protocol import Message
from activation.kinds.sql import Sql
from activation.model import Delivery, Destination
from cdp import times
from cdp.main import FILES
from tests.conftest import Api
from tests.integration.test_deliveries import buy, decide, due_now, ledger
from tests.support.privacy import done
from tests.support.receiver import Receiver, receiving

TRAITS = {"mail": "email", "visits": "visits"}
ORDER = {"event": "Order Completed"}


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def connect(api: Api, **settings: Any) -> dict[str, Any]:
    """A segment of buyers, a destination that hears of it, and Ada, who buys."""
    segment = {"name": "Buyers", "purpose": "marketing_email", "where": ORDER}
    await api.put("/segments/buyers", segment)
    made = await api.put(
        "/destinations/lake", {"segments": ["buyers"], "traits": TRAITS} | settings
    )
    traits = {"email": "ada@example.com", "visits": 3, "secret": "stays"}
    await api.send("/v1/identify", {"userId": "ada", "traits": traits})
    await api.settle()
    await buy(api)
    await api.settle()
    return made


async def leave(api: Api) -> None:
    await decide(api, "ada", "denied")
    await api.settle()


class Warehouse:
    """Somebody's database: here a schema of its own beside the platform's tables."""

    def __init__(self, url: str) -> None:
        self.url, self.schema = url, f"w{uuid.uuid4().hex[:12]}"

    def settings(self) -> dict[str, Any]:
        told = conninfo_to_dict(self.url)
        return {
            "kind": "sql",
            "host": told["host"],
            "port": int(told["port"] or 5432),
            "database": told["dbname"],
            "user": told["user"],
            "password": told["password"],
            "tls": "disable",
            "table": f"{self.schema}.audiences",
        }

    async def run(self, text: str) -> None:
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            where = Identifier(self.schema)
            await connection.execute(SQL(text).format(where))  # type: ignore[arg-type]

    async def rows(self) -> list[dict[str, Any]]:
        factory = psycopg.rows.dict_row
        async with (
            await psycopg.AsyncConnection.connect(self.url, row_factory=factory) as connection,
            connection.cursor() as cursor,
        ):
            found = SQL("select * from {}.audiences order by identifiers").format(
                Identifier(self.schema)
            )
            return list(await (await cursor.execute(found)).fetchall())


@pytest.fixture
async def warehouse(api: Api) -> AsyncIterator[Warehouse]:
    url = api.instance.core.database.url.replace("+psycopg", "", 1)
    made = Warehouse(url)
    await made.run("create schema {}")
    yield made
    await made.run("drop schema {} cascade")


async def test_a_table_has_who_is_in_and_who_left(api: Api, warehouse: Warehouse) -> None:
    made = await connect(api, **warehouse.settings())
    assert "password" not in made
    (row,) = await warehouse.rows()
    assert (row["segment"], row["member"], row["left_at"]) == ("buyers", True, None)
    assert row["identifiers"]["user_id"] == ["ada"]
    assert (row["mail"], row["visits"]) == ("ada@example.com", "3")
    assert "secret" not in row
    await leave(api)
    (left,) = await warehouse.rows()
    assert (left["member"], left["since"], left["mail"]) == (False, row["since"], None)
    assert left["left_at"] > left["since"]


async def test_a_table_forgets_who_was_erased(api: Api, warehouse: Warehouse) -> None:
    await connect(api, **warehouse.settings())
    await buy(api, "bob")
    await api.settle()
    await done(api, "erase", "user_id:ada")
    await api.settle()
    assert [row["identifiers"]["user_id"] for row in await warehouse.rows()] == [["bob"]]


async def test_a_table_gets_the_columns_that_it_misses(api: Api, warehouse: Warehouse) -> None:
    await connect(api, **warehouse.settings() | {"traits": {}})
    assert "mail" not in (await warehouse.rows())[0]
    without = warehouse.settings()
    del without["password"]  # it is kept
    await api.put("/destinations/lake", without | {"traits": TRAITS})
    await buy(api, "bob")
    await api.settle()
    assert [row["mail"] for row in await warehouse.rows()] == [None, None]


async def test_a_value_that_does_not_fit_holds_nobody_else_up(
    api: Api, warehouse: Warehouse
) -> None:
    await connect(api, **warehouse.settings(), enabled=False)
    await warehouse.run(
        "create table {}.audiences (segment text, profile_id uuid, member boolean,"
        " since timestamptz, left_at timestamptz, identifiers jsonb, changed_at timestamptz,"
        " mail text, visits int,"
        " primary key (segment, profile_id))"
    )
    later = warehouse.settings() | {"traits": TRAITS, "first_load": False}
    await api.put("/destinations/lake", later)
    for user, visits in (("bob", "many"), ("cleo", 4)):
        await api.send("/v1/identify", {"userId": user, "traits": {"visits": visits}})
        await buy(api, user)
    await api.settle()
    assert [row["visits"] for row in await warehouse.rows()] == [4]
    told = {entry["state"]: entry["reason"] for entry in await ledger(api)}
    assert told["parked"] == "SQLSTATE 22P02"
    assert told["sent"] == ""


async def test_a_database_that_is_away_is_tried_again(api: Api, warehouse: Warehouse) -> None:
    await connect(api, **warehouse.settings() | {"port": 1})
    (entry,) = await ledger(api)
    assert (entry["state"], entry["reason"]) == ("retrying", "OperationalError")
    await api.put("/destinations/lake", warehouse.settings() | {"traits": TRAITS})
    await due_now(api)
    assert [row["member"] for row in await warehouse.rows()] == [True]


async def test_a_database_may_not_be_just_anywhere(warehouse: Warehouse) -> None:
    settings = warehouse.settings() | {"traits": {}}
    password = settings.pop("password")
    view = {"profile_id": str(uuid.UUID(int=7))}
    delivery = Delivery(bytes(16), "crm", bytes(16), "buyers", "left", times.now(), "necessary")
    connector = Sql(Destination("crm", "sql", settings), password, private=False)
    (outcome,) = await connector.send(
        [Message(delivery, view, {}, {})], begin(times.now), times.now()
    )
    assert (outcome.delivered, outcome.reason) == (False, "ForbiddenAddress")


async def test_a_table_needs_a_password_at_first(api: Api, warehouse: Warehouse) -> None:
    without = warehouse.settings()
    del without["password"]
    answer = await api.call("PUT", "/destinations/lake", json=without)
    assert answer.status_code == 400
    assert answer.json()["field"] == "password"


def files(api: Api) -> list[Path]:
    root = api.instance.settings.data_dir / FILES
    return sorted(each for each in root.rglob("*") if each.is_file())


async def test_files_in_a_folder(api: Api) -> None:
    await connect(api, kind="file", folder="audiences/crm")
    (file,) = files(api)
    assert file.parent.name.startswith("date=")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (line,) = map(json.loads, file.read_text().splitlines())
    (entry,) = await ledger(api)
    assert (line["id"], entry["state"]) == (entry["id"], "sent")
    assert (line["change"], line["member"], line["left_at"]) == ("entered", True, None)
    assert (line["mail"], line["visits"]) == ("ada@example.com", "3")
    await leave(api)
    await done(api, "erase", "user_id:ada")
    await api.settle()
    lines = [json.loads(each) for file in files(api) for each in file.read_text().splitlines()]
    gone = {line["change"]: line for line in lines}
    assert gone.keys() == {"entered", "left", "erased"}
    assert (gone["left"]["member"], gone["left"]["mail"]) == (False, None)
    assert gone["erased"]["profile_id"] == line["profile_id"]
    assert gone["erased"]["identifiers"]["user_id"] == ["ada"]


async def test_files_as_csv_and_parquet(api: Api) -> None:
    await connect(api, kind="file", folder="a", format="csv")
    (file,) = files(api)
    (row,) = csv.DictReader(io.StringIO(file.read_text()))
    assert (row["member"], row["mail"]) == ("true", "ada@example.com")
    assert json.loads(row["identifiers"])["user_id"] == ["ada"]
    again = {"kind": "file", "folder": "b", "format": "parquet", "traits": TRAITS}
    await api.put("/destinations/lake", again)
    await leave(api)
    (parquet,) = [each for each in files(api) if each.suffix == ".parquet"]
    (left,) = polars.read_parquet(parquet, hive_partitioning=False).to_dicts()
    assert (left["segment"], left["member"], left["since"]) == ("buyers", False, None)
    assert left["left_at"].tzinfo is not None


@pytest.mark.parametrize("folder", ["../etc", "/etc", "a/../b", "", "a//b", ".hidden"])
async def test_no_folder_lies_elsewhere(api: Api, folder: str) -> None:
    answer = await api.call("PUT", "/destinations/lake", json={"kind": "file", "folder": folder})
    assert (answer.status_code, answer.json()["field"]) == (400, "folder")


async def test_a_disk_that_takes_nothing_is_tried_again(api: Api) -> None:
    (api.instance.settings.data_dir / FILES).write_text("in the way")
    await connect(api, kind="file", folder="a")
    (entry,) = await ledger(api)
    assert (entry["state"], entry["reason"]) == ("retrying", "NotADirectoryError")


async def test_objects_in_a_bucket(api: Api, there: Receiver) -> None:
    access = {"access_key_id": "AKID", "secret_access_key": "s3cr3t"}
    url = there.url.removesuffix("/hook")
    made = await connect(api, kind="s3", url=url, bucket="lake", folder="a", **access)
    assert "secret_access_key" not in made
    (request,) = there.requests
    assert json.loads(request.body)["identifiers"]["user_id"] == ["ada"]
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    there.answer = lambda request: (503, {})
    await buy(api, "bob")
    await api.settle()
    there.answer = lambda request: (200, {})
    await due_now(api)
    _, tried, again = there.requests
    assert tried.body == again.body
    assert {entry["state"] for entry in await ledger(api)} == {"sent"}


async def test_calls_of_segments_protocol(api: Api, there: Receiver) -> None:
    url = there.url.removesuffix("/hook")
    await connect(api, kind="segment", url=url, write_key="w1")
    (request,) = there.requests
    assert request.headers["authorization"] == "Basic dzE6"
    identify, track = request.json["batch"]
    assert identify["traits"] == {"mail": "ada@example.com", "visits": 3, "buyers": True}
    assert (track["event"], track["userId"]) == ("Audience Entered", "ada")
    (entry,) = await ledger(api)
    assert [call["messageId"] for call in request.json["batch"]] == [
        f"{entry['id']}-0",
        f"{entry['id']}-1",
    ]
    await leave(api)
    identify, track = there.requests[1].json["batch"]
    assert identify["traits"] == {"buyers": False}
    assert track["event"] == "Audience Exited"
    await done(api, "erase", "user_id:ada")
    await api.settle()
    (erased,) = there.requests[2].json["batch"]
    assert (erased["event"], erased["userId"]) == ("Person Erased", "ada")
