"""Bodies, paths and queries meant to break the management API: each is a 4xx."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdp.api.auth import SCOPES
from tests.conftest import Api
from tests.integration.test_authorisation import MANAGED


def nested(depth: int, inner: str) -> bytes:
    opened, closed = '{"not":' * depth, "}" * depth
    return ('{"name":"n","where":' + opened + inner + closed + "}").encode()


BODIES: dict[str, bytes] = {
    "deep": nested(900, '{"event":"e"}'),
    "deep with a NUL": nested(900, '"\\u0000"'),
    "deeper than any stack": nested(100_000, "1"),
    "brackets without end": b"[" * 500_000,
    "a NUL, escaped": b'{"name":"a\\u0000b","where":{"event":"e"}}',
    "a NUL as a name": b'{"name":"a","where":{"\\u0000":"e"}}',
    "a NUL as it is": b'{"name":"a\x00b","where":{"event":"e"}}',
    "no UTF-8": b'{"name":"\xff","where":{"event":"e"}}',
    "half a character": b'{"name":"\\ud800","where":{"event":"e"}}',
    "a number of 100,000 digits": b'{"name":"a","where":{"trait":"e","gt":1'
    + b"0" * 100_000
    + b"}}",
    "a number out of range": b'{"name":"a","where":{"trait":"e","gt":1e999}}',
    "no number": b'{"name":"a","where":{"trait":"e","gt":NaN}}',
    "5,000 conditions": json.dumps(
        {"name": "a", "where": {"all": [{"event": "e"}] * 5000}}
    ).encode(),
    "gzip, which is for the collector": b"\x1f\x8b" + b"\x00" * 1000,
    "nothing": b"",
    "no object": b"[]",
}

BODILESS = (
    "/learn",
    "/activate",
    "/fit",
    "/pause",
    "/resume",
)  # all there is to say is in the path
UNSAID = ("/replay", "/sync")  # what is left out says something


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_meant_to_break_something(api: Api, name: str) -> None:
    takes_body = [row for row in MANAGED if row.method in {"PUT", "POST"}]
    for row in takes_body:
        if row.path.endswith(BODILESS) or (name == "nothing" and row.path.endswith(UNSAID)):
            continue
        answer = await api.call(row.method, row.address[len("/api/v1") :], content=BODIES[name])
        assert answer.status_code == 400, (row, answer.text)
        assert answer.json()["detail"]


async def test_a_body_over_the_limit_is_refused_on_every_route(api: Api) -> None:
    for row in MANAGED:
        if row.method in {"PUT", "POST"} and not row.path.endswith(BODILESS):
            path = row.address[len("/api/v1") :]
            answer = await api.call(row.method, path, content=b" " * ((1 << 20) + 1))
            assert answer.status_code == 413, row


ODD = [
    "%00",
    "%00:x",
    "user_id:%00",
    "email:%ff%fe",
    "..%2f..%2fetc%2fpasswd",
    "';--",
    "%0d%0aX:%20y",
]


@pytest.mark.parametrize("odd", [*ODD, "x" * 5000, "user_id:" + "x" * 50_000])
async def test_a_path_or_query_that_is_meant_to_break_something(api: Api, odd: str) -> None:
    queries = ("limit", "cursor", "after", "state", "destination", "profile", "include")
    queries += ("a", "b", "min_confidence", "actor", "action", "about")
    for row in MANAGED:
        paths = [row.path.replace(f"{{{name}}}", odd) for name in ("ref", "key", "trial")]
        for path in {path for path in paths if path != row.path}:
            answer = await api.call(row.method, path[len("/api/v1") :], content=b"{}")
            assert answer.status_code in {400, 404, 405}, (row.method, path[:80], answer.text)
            assert "\r" not in "".join(answer.headers.values())
        if row.method == "GET":
            for name in queries:
                answer = await api.call("GET", f"{row.address[len('/api/v1') :]}?{name}={odd}")
                assert answer.status_code in {200, 400, 404}, (row, name, answer.text)


async def test_sql_in_every_text_is_only_a_text(api: Api) -> None:
    evil = "'); drop table events; --"
    segment: dict[str, Any] = {"name": evil, "where": {"event": evil, "where": []}}
    await api.put("/segments/evil", segment)
    await api.send("/v1/identify", {"userId": evil, "traits": {evil: evil}})
    await api.send("/v1/track", {"userId": evil, "event": evil})
    await api.settle()
    profile: Any = await api.get(f"/profiles/user_id:{evil}")
    assert (profile["traits"], profile["events"]) == ({evil: evil}, {evil: 1})
    assert profile["segments"] == ["evil"]


async def test_a_refusal_says_nothing_of_the_inside(api: Api) -> None:
    for body in BODIES.values():
        answer = await api.call("PUT", "/segments/x", content=body)
        for word in ("Traceback", ".py", "psycopg", "sqlalchemy", "select "):
            assert word not in answer.text
    assert SCOPES
