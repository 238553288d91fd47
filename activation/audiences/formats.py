"""Rows of audiences as files: NDJSON, CSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from activation.audiences.model import FIXED, Row
from cdp.events import Instant
from cdp.times import iso, to_datetime

FORMATS = ("ndjson", "csv", "parquet")
SUFFIX = {"ndjson": ".ndjson", "csv": ".csv", "parquet": ".parquet"}
MEDIA_TYPE = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


def encoded(form: str, rows: Sequence[Row], names: Sequence[str]) -> bytes:
    """A file of these rows; `names` are the traits' there, in the order of the columns."""
    if form == "ndjson":
        return b"".join(msgspec.json.encode(_line(row)) + b"\n" for row in rows)
    if form == "csv":
        return _csv(rows, names)
    return _parquet(rows, names)


def _line(row: Row) -> dict[str, Any]:
    plain = {
        "id": row.id,
        "change": row.change,
        "segment": row.segment,
        "member": row.member,
        "since": _iso(row.since),
        "left_at": _iso(row.left_at),
        "profile_id": row.profile_id,
        "identifiers": row.identifiers,
    }
    return plain | dict(row.traits)


def _iso(at: Instant | None) -> str | None:
    return None if at is None else iso(at)


def _identifiers(row: Row) -> str:
    return msgspec.json.encode(row.identifiers).decode()


def _csv(rows: Sequence[Row], names: Sequence[str]) -> bytes:
    written = io.StringIO(newline="")
    table = csv.DictWriter(written, [*FIXED, *names])
    table.writeheader()
    for row in rows:
        member = {None: None, True: "true", False: "false"}[row.member]
        more = {"member": member, "identifiers": _identifiers(row)}
        table.writerow(_line(row) | more)
    return written.getvalue().encode()


def _parquet(rows: Sequence[Row], names: Sequence[str]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    moment, text = pa.timestamp("us", "UTC"), pa.string()
    types = {"member": pa.bool_(), "since": moment, "left_at": moment}
    schema = pa.schema([(name, types.get(name, text)) for name in [*FIXED, *names]])
    found = [
        _line(row)
        | {
            "since": None if row.since is None else to_datetime(row.since),
            "left_at": None if row.left_at is None else to_datetime(row.left_at),
            "identifiers": _identifiers(row),
        }
        for row in rows
    ]
    written = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(found, schema), written)
    return bytes(written.getvalue().to_pybytes())
