"""A shop's real traffic through the front door, against the same questions asked of the file.

The file is REES46's: views, carts and purchases. It goes in over HTTP with `cdp import`, which is
killed in the middle; polars answers from the CSV what the platform answers from what it stored.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.support.born import again
from tests.support.data import public
from tests.support.platform import Platform

NAMES = {"view": "Product Viewed", "cart": "Product Added", "purchase": "Product Purchased"}
CARTED = {
    "all": [
        {"event": "Product Added"},
        {"event": "Product Purchased", "count": {"eq": 0}},
    ]
}
_SECONDS = 120.0


@pytest.fixture(scope="module")
def file() -> Path:
    return public("clickstream/rees46_2019-10-01_sample.csv.gz")


@pytest.fixture(scope="module")
def rows(file: Path) -> pl.DataFrame:
    return pl.read_csv(file, schema_overrides={"user_id": pl.String})


@pytest.fixture(scope="module")
def platform(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One of its own: its numbers are those of the file and of nothing else."""
    with again(tmp_path_factory.mktemp("real")) as started:
        yield started


@dataclass(frozen=True)
class Killed:
    """An import that was killed: the line it had noted, what was stored, what the next one said."""

    line: int
    stored: int
    resumed: str


def load(platform: Platform, file: Path, *more: str) -> str:
    return platform.command("import", str(file), "--map", "rees46", "--wait", *more)


def events(platform: Platform) -> int:
    return int(platform.status()["events"])


@pytest.fixture(scope="module")
def killed(platform: Platform, file: Path) -> Killed:
    """The file is in: by an import that was killed in the middle, and one that went on."""
    platform.put("/segments/carted-live", {"name": "Carted", "where": CARTED})
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
    where = {"CDP_DATA_DIR": str(platform.home / "data"), "CDP_PORT": str(platform.port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "cdp", "import", str(file), "--map", "rees46"],
        env=environment | where | {"PYTHONDONTWRITEBYTECODE": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while noted(platform) < 4000:
            assert process.poll() is None, "the import ended before it could be killed"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    platform.wait_quiet(_SECONDS)
    line, stored = noted(platform), events(platform)
    return Killed(line, stored, load(platform, file))


def noted(platform: Platform) -> int:
    """The line in the import's cursor."""
    cursors = list((platform.home / "data" / "imports").glob("*.json"))
    return int(json.loads(cursors[0].read_text())["line"]) if cursors else 0


def test_after_kill_9_the_import_goes_on_and_stores_every_line_once(
    platform: Platform, killed: Killed, rows: pl.DataFrame
) -> None:
    assert 4000 <= killed.line < len(rows)
    assert killed.line - 1 <= killed.stored < len(rows)
    assert events(platform) == len(rows)
    assert killed.resumed.startswith(f"Lines up to {killed.line:,} were played before")
    assert f"\n{len(rows) + 1 - killed.line:,} rows: " in killed.resumed


def test_importing_again_stores_nothing_more(
    platform: Platform, killed: Killed, file: Path, rows: pl.DataFrame
) -> None:
    assert "\n0 rows: 0 calls are stored, 0 skipped" in load(platform, file)
    everything = load(platform, file, "--restart")
    assert f"{len(rows):,} rows: {len(rows):,} calls are stored, 0 skipped" in everything
    assert events(platform) == len(rows)


def test_a_persons_counts_are_those_of_the_file(
    platform: Platform, killed: Killed, rows: pl.DataFrame
) -> None:
    expected = rows.pivot(
        "event_type", index="user_id", values="event_time", aggregate_function="len"
    ).sort("user_id")
    with ThreadPoolExecutor(8) as pool:
        people = list(
            pool.map(lambda user: platform.profile(f"user_id:{user}"), expected["user_id"])
        )
    found = pl.DataFrame(
        {
            "user_id": [person["identifiers"]["user_id"][0] for person in people],
            **{column: [p["events"].get(n, 0) for p in people] for column, n in NAMES.items()},
        },
        schema_overrides=dict.fromkeys(NAMES, pl.UInt32),
    )
    assert len(found) > 4000
    assert_frame_equal(found, expected.select(found.columns), check_dtypes=False)


@pytest.mark.parametrize("key", ["carted-live", "carted-after"])
def test_who_carted_and_did_not_purchase(
    platform: Platform, killed: Killed, rows: pl.DataFrame, key: str
) -> None:
    """Defined before the events came, and defined after: the same people."""
    platform.put(f"/segments/{key}", {"name": "Carted", "where": CARTED})
    platform.wait_quiet(_SECONDS)
    did = {kind: set(rows.filter(pl.col("event_type") == kind)["user_id"]) for kind in NAMES}
    answer = platform.call("GET", f"/segments/{key}/members", params={"limit": 1000})
    members = [member["identifiers"] for member in answer.json()["members"]]
    assert sorted(each["user_id"][0] for each in members) == sorted(did["cart"] - did["purchase"])


def test_a_session_that_two_people_used_makes_them_no_single_person(
    platform: Platform, killed: Killed, rows: pl.DataFrame
) -> None:
    shared = (
        rows.group_by("user_session")
        .agg(pl.col("user_id").unique().sort())
        .filter(pl.col("user_id").list.len() > 1)
    )
    assert len(shared) == 1
    session, (one, other) = shared.row(0)
    first, second = platform.profile(f"user_id:{one}"), platform.profile(f"user_id:{other}")
    assert first["profile_id"] != second["profile_id"]
    assert first["identifiers"]["user_id"] == [one]
    assert second["identifiers"]["user_id"] == [other]
    holders = [p for p in (first, second) if session in p["identifiers"]["anonymous_id"]]
    assert len(holders) == 1


def test_people_are_as_many_as_the_file_has(
    platform: Platform, killed: Killed, rows: pl.DataFrame
) -> None:
    assert platform.status()["profiles"] == rows["user_id"].n_unique()
