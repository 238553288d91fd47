"""A thousand made-up records of a few hundred people, with slips: see tests/data/NOTICE."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

PEOPLE = Path(__file__).parents[1] / "data" / "people.csv"
ALLOWS = {"consent": {"categoryPreferences": {"profiling": True}}}
REFUSES = {"consent": {"categoryPreferences": {"profiling": False}}}


def rows() -> list[dict[str, str]]:
    """Every record; `cluster` says whose it is."""
    with PEOPLE.open(newline="") as lines:
        return list(csv.DictReader(lines))


def said_by(row: dict[str, str], **more: Any) -> dict[str, Any]:
    """What somebody filled in, as a guest with a browser of their own."""
    traits = {
        "firstName": row["first_name"],
        "lastName": row["surname"],
        "birthday": row["dob"],
        "address": {"city": row["city"]},
        "email": row["email"],
    }
    given = {name: value for name, value in traits.items() if value}
    return {"type": "identify", "anonymousId": f"p{row['unique_id']}", "traits": given, **more}
