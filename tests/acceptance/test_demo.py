"""The demo's numbers, against the same questions asked of its file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from cdp.demo import story

SIGNED_IN = ["account_page", "wishlist_add", "shipping_details", "payment_details", "purchase"]
_SECONDS = 240


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `cdp demo --json` prints, run where nothing is."""
    home = tmp_path_factory.mktemp("demo")
    before = {process.pid for process in psutil.process_iter()}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
    done = subprocess.run(
        [sys.executable, "-m", "cdp", "demo", "--json"],
        env=environment | {"PYTHONDONTWRITEBYTECODE": ""},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (home / ".cdp" / "demo" / "keys.json").exists()
    left = [p.name() for p in psutil.process_iter() if p.pid not in before and _below(p, home)]
    assert left == []
    return dict(json.loads(done.stdout))


def _below(process: psutil.Process, home: Path) -> bool:
    try:
        return process.cwd().startswith(str(home))
    except psutil.Error:
        return False


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """The file; `person` is the user of a session that signed in, else the session itself."""
    read = pl.read_csv(story.FILE).with_columns(pl.col("timestamp").str.to_datetime())
    knows = pl.col("event").is_in(SIGNED_IN).any().over("session_id")
    return read.with_columns(
        known=knows, person=pl.when(knows).then("user_id").otherwise("session_id")
    )


def did(rows: pl.DataFrame, event: str, days: int | None = None, times: int = 1) -> set[str]:
    """Who did it so often in the days before the file's last event."""
    if days is not None:
        since = rows["timestamp"].max() - timedelta(days=days)  # type: ignore[operator]
        rows = rows.filter(pl.col("timestamp") > since)
    counted = rows.filter(pl.col("event") == event).group_by("person").len()
    return set(counted.filter(pl.col("len") >= times)["person"])


def test_people_and_merges(found: dict[str, Any], rows: pl.DataFrame) -> None:
    sessions = rows.group_by("person").agg(pl.col("session_id").n_unique(), pl.col("known").any())
    known = sessions.filter("known")
    expected = {
        "people": len(sessions),
        "sessions": rows["session_id"].n_unique(),
        "known": len(known),
        "known_sessions": known["session_id"].sum(),
        "merged": known.filter(pl.col("session_id") > 1).height,
        "most": known["session_id"].max(),
    }
    assert {name: found[name] for name in expected} == expected
    assert expected["people"] < expected["sessions"]


def test_segments(found: dict[str, Any], rows: pl.DataFrame) -> None:
    expected = {
        story.CARTS: did(rows, "add_to_cart", 30) - did(rows, "purchase", 30),
        "payment-trouble": did(rows, "payment_error", 45) - did(rows, "purchase", 45),
        "regulars": did(rows, "purchase", 180, times=2),
        "lapsed": did(rows, "purchase") - did(rows, "purchase", 60),
        "window-shoppers": did(rows, "product_view", 14, times=5) - did(rows, "add_to_cart"),
    }
    known = set(rows.filter("known")["person"])
    assert found["segments"] == {
        key: {"people": len(people), "known": len(people & known)}
        for key, people in expected.items()
    }
    assert all(expected.values())


def test_deliveries(found: dict[str, Any]) -> None:
    """Each entry once to whom it may go, signed; to whom it may not, not at all."""
    sizes = {key: each["people"] for key, each in found["segments"].items()}
    to_shop = sizes[story.CARTS] + sizes["payment-trouble"]
    assert found["deliveries"] == {
        "shop": {"sent": to_shop, "webhooks": {"received": to_shop, "verified": to_shop}},
        "newsletter": {"refused": sizes["lapsed"], "webhooks": {"received": 0, "verified": 0}},
    }


def test_an_order_is_told_soon(found: dict[str, Any]) -> None:
    assert 0 < found["reaction_ms"] < 5000
