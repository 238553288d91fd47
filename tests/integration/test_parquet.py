"""Exports to Parquet as DuckDB reads them: what a purpose may see, once, whatever happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdp import times
from cdp.errors import ConfigurationError
from cdp.parquet.directory import MANIFEST, Directory
from cdp.parquet.exporting import Exported, Exporting
from tests.conftest import Api

DAY = 86_400 * times.SECOND


async def export(api: Api, path: Path, instance: str = "one") -> Exported:
    await api.settle()
    into = Directory(path, instance, "analytics")
    return await Exporting(api.instance.core, into, "analytics", lambda *_: None).run()


def asked(path: Path, question: str) -> list[Any]:
    files = {
        what: f"read_parquet('{path}/{what}/**/*.parquet', hive_partitioning = true)"
        for what in ("events", "profiles", "memberships")
    }
    return duckdb.sql(question.format(**files)).fetchall()


async def ordered(api: Api, who: str, revenue: int, ago: int = 0, **more: Any) -> None:
    call = {"userId": who, "event": "Ordered", "properties": {"revenue": revenue}, **more}
    at = {"timestamp": times.iso(times.now() - ago)}
    assert (await api.send("/v1/track", call | at)).status_code == 200


async def test_what_a_purpose_may_see_is_there_once(api: Api, tmp_path: Path) -> None:
    await api.put("/segments/buyers", {"name": "B", "where": "count('Ordered') >= 1"})
    other = {"name": "M", "purpose": "marketing_email", "where": "count('Ordered') >= 1"}
    await api.put("/segments/mailed", other)
    await api.put("/traits/worth", {"name": "W", "value": "sum(revenue of 'Ordered')"})
    for who in ("ada", "bob", "cy"):
        await ordered(api, who, 10, ago=2 * DAY)
        await ordered(api, who, 5)
    denying = {"context": {"consent": {"categoryPreferences": {"analytics": False}}}}
    await ordered(api, "ada", 1000, **denying)
    await api.put("/consent/user_id:ada", {"purpose": "analytics", "state": "granted"})
    await api.put("/consent/user_id:cy", {"purpose": "analytics", "state": "denied"})
    assert (await export(api, tmp_path)).profiles == 2
    revenue = "sum(cast(properties->>'revenue' as int))"
    by_user = (
        f"select user_id, {revenue} from {{events}} where event = 'Ordered' group by 1 order by 1"
    )
    assert asked(tmp_path, by_user) == [("ada", 15), ("bob", 15)]
    days = asked(tmp_path, "select distinct day from {events} where event = 'Ordered' order by 1")
    assert len(days) == 2
    joined = """
        select e.user_id, m.segment, p.computed->>'worth' from {events} e
          join {profiles} p using (profile_id) join {memberships} m using (profile_id)
         group by all order by 1"""
    assert asked(tmp_path, joined) == [("ada", "buyers", "15"), ("bob", "buyers", "15")]
    await ordered(api, "bob", 7)
    again = await export(api, tmp_path)
    assert (again.events, again.profiles) == (1, 2)
    assert asked(tmp_path, by_user) == [("ada", 15), ("bob", 22)]
    assert (
        asked(tmp_path, "select count(*), count(distinct event_id) from {events}")[0][0]
        == (asked(tmp_path, "select count(distinct event_id) from {events}")[0][0])
    )


async def test_what_was_interrupted_is_not_there_twice(api: Api, tmp_path: Path) -> None:
    await ordered(api, "ada", 1)
    await export(api, tmp_path)
    stray = tmp_path / "events" / "day=2026-01-01" / "p0000-000000000000.parquet"
    stray.parent.mkdir(exist_ok=True)
    (file,) = (each for each in tmp_path.glob("events/*/*.parquet"))
    stray.write_bytes(file.read_bytes())
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    manifest["pending"] = [str(stray.relative_to(tmp_path))]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    assert (await export(api, tmp_path)).events == 0
    assert asked(tmp_path, "select count(*) from {events}") == [(1,)]


async def test_a_folder_is_of_one_instance_and_purpose(api: Api, tmp_path: Path) -> None:
    await ordered(api, "ada", 1)
    await export(api, tmp_path)
    with pytest.raises(ConfigurationError, match="of another instance: choose another folder"):
        await export(api, tmp_path, "two")
    with pytest.raises(ConfigurationError, match="for 'analytics' of this instance"):
        Directory(tmp_path, "one", "marketing_email")
