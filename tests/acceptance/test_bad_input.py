"""Whatever is sent gets the answer of the contract, costs its neighbours nothing, and is no 5xx."""

from __future__ import annotations

import gzip
import http.client
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.platform import Platform

_NUMBERS = itertools.count()
ROUTES = ("/v1/track", "/v1/t", "/v1/batch", "/v1/b", "/b", "/beacon/v1/batch", "/api/s/event")


BOMB = gzip.compress(b"\x00" * 200_000_000, 1)


class Sender:
    """A source of its own on a running platform, that may send any bytes."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.key = platform.new_write_key("bad input")
        headers = {"x-write-key": self.key}
        self.client = httpx.Client(
            base_url=platform.url, headers=headers, timeout=60.0, trust_env=False
        )
        self.source: int | None = None
        self.post(b'{"type":"nothing"}')
        (self.source,) = {
            kept["source"] for kept in self.kept() if kept["message"] == {"type": "nothing"}
        }

    def post(self, body: bytes, path: str = "/v1/batch", **headers: str) -> httpx.Response:
        answer = self.client.post(path, content=body, headers=headers)
        assert answer.status_code < 500, answer.text
        return answer

    def kept(self) -> list[Any]:
        """What is in quarantine from this source."""
        found: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.platform.call("GET", f"/quarantine?limit=1000&cursor={cursor}").json()
            found += [kept for kept in page["quarantine"] if self.source in {None, kept["source"]}]
            cursor = page["next"]
        return found

    def among_neighbours(self, element: bytes) -> list[Any]:
        """Send this between two good events; returns what was quarantined."""
        user = f"neighbour-{next(_NUMBERS)}"
        good = json.dumps({"type": "track", "event": "Good", "userId": user}).encode()
        before = {kept["id"] for kept in self.kept()}
        answer = self.post(b'{"batch":[' + good + b"," + element + b"," + good + b"]}")
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        self.platform.wait_quiet()
        assert self.platform.profile(f"user_id:{user}")["events"]["Good"] == 2
        return [kept for kept in self.kept() if kept["id"] not in before]


@pytest.fixture(scope="module")
def sender(platform: Platform) -> Iterator[Sender]:
    made = Sender(platform)
    parked = _gauge(platform, "cdp_parked")
    yield made
    platform.wait_quiet()
    assert _gauge(platform, "cdp_parked") == parked  # no agent stumbled over any of it
    assert "unexpected" not in platform.log()
    assert "append_failed" not in platform.log()
    made.client.close()


def _gauge(platform: Platform, name: str) -> float:
    (line,) = [each for each in platform.get("/metrics").text.splitlines() if each.startswith(name)]
    return float(line.split()[-1])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"batch":[{"type":"page"},{"ty',
        b'{"event":"x","userId":',
        b"not json",
        b"[" * 10_000,
        b'{"' + b'\\"' * 1_000_000,
        gzip.compress(b'{"event":', mtime=0)[:-9],
        gzip.compress(b'{"event":', mtime=0),
        b"\x1f\x8b\x08 damaged",
    ],
)
def test_what_is_not_json_is_a_400_that_sdks_understand(sender: Sender, body: bytes) -> None:
    before = len(sender.kept())
    for path in ROUTES:
        answer = sender.post(body, path)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/json"
        assert set(answer.json()) == {"code", "message"}
    assert len(sender.kept()) == before


def test_what_is_too_large_is_a_413_and_bombs_do_not_go_off(sender: Sender) -> None:
    for body in (b" " * 4_096_001, gzip.compress(b" " * 4_096_001, 1), BOMB, BOMB + BOMB):
        assert sender.post(body).status_code == 413
        assert sender.post(body, **{"content-encoding": "gzip"}).status_code == 413
    assert sender.post(gzip.compress(BOMB)).status_code == 400  # a gzip in a gzip is no JSON


WRONG: dict[str, list[Any]] = {
    "type": [None, 5, "", "nothing", ["track"], {}],
    "event": [None, "", True, [], {}, "x" * 513],
    "userId": [True, [], {}, "x" * 513],
    "anonymousId": [False, ["a"], {"a": 1}],
    "messageId": [True, [], {}, "x" * 101],
    "properties": ["text", 5, True, [], [1]],
    "traits": ["text", 0, False, []],
    "context": ["text", 1.5, True, []],
    "integrations": ["All", 1, True, []],
    "timestamp": ["tomorrow", "0000-01-01T00:00:00Z", "1969-12-31T00:00:00Z", -1, True, [], {}],
    "originalTimestamp": ["0000-01-01T00:00:00Z", [1], {"a": 1}],
    "sentAt": ["never", "0000-00-00T00:00:00Z", True, []],
}


def test_wrong_types_everywhere_are_quarantined_by_name(sender: Sender) -> None:
    good = {"type": "track", "event": "e", "userId": "wrong-types"}
    wrong = [(field, {**good, field: value}) for field, values in WRONG.items() for value in values]
    body = ",".join(json.dumps(message) for _, message in wrong)
    kept = sender.among_neighbours(body.encode())
    assert [(each["field"], each["message"]) for each in kept] == wrong
    assert all(each["reason"].startswith(f"{each['field']}: ") for each in kept)
    assert sender.platform.profile("user_id:wrong-types") == {}
    for field, message in wrong:
        answer = sender.post(json.dumps(message).encode(), **{"x-strict-mode": "1"})
        assert answer.status_code == 400
        assert answer.json()["results"][0]["reason"].startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (b'{"x":NaN}', "NaN"),
        (b'{"x":-Infinity}', "Infinity"),
        (b'{"x":1e400}', "out of range"),
        (b'{"x":1' + b"0" * 5_000 + b"}", "out of range"),
        (b'{"x":' + b"[" * 200 + b"]" * 200 + b"}", "nested deeper than 200"),
        (b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "nested deeper than 200"),
        (b'{"x":"' + b"x" * 33_000 + b'"}', "the limit is 32768"),
        (b'{"x" 1}', "is not JSON"),
        (b'{"x":\\}', "is not JSON"),
        (b"null", "must be a JSON object"),
        (b"[[]]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"", "is not JSON"),
    ],
)
def test_unreadable_events_are_quarantined_alone(
    sender: Sender, element: bytes, reason: str
) -> None:
    (kept,) = sender.among_neighbours(element)
    assert (kept["field"], reason in kept["reason"]) == ("message", True), kept["reason"]


TAKEN: dict[bytes, object] = {
    b'"a\\u0000b"': "a\x00b",
    b'"a\x00b"': "a\x00b",
    b'"\\ud800"': "\ufffd",
    b'"\xff"': "\ufffd",
    b"123456789012345678901234567890": 1.2345678901234568e29,
    b"18446744073709551615": 18446744073709551615,
    b"-1e308": -1e308,
    b"5e-324": 5e-324,
    b'"\xf0\x9f\x98\x80"': "\U0001f600",
    b'{"":{"":""}}': {"": {"": ""}},
}


def test_odd_values_go_all_the_way_to_the_profile(sender: Sender) -> None:
    traits = b",".join(b'"t%d":%s' % pair for pair in enumerate(TAKEN))
    deep = b'"deep":' + b"[" * 190 + b"]" * 190
    element = b'{"type":"identify","userId":"odd","traits":{' + traits + b"," + deep + b"}}"
    assert sender.among_neighbours(element) == []
    profile = sender.platform.profile("user_id:odd")
    assert str(profile["traits"].pop("deep")).count("[") == 190
    assert profile["traits"] == {f"t{n}": value for n, value in enumerate(TAKEN.values())}


def test_odd_identifiers_and_contexts_stop_nobody(sender: Sender) -> None:
    odd: list[Any] = [5, True, "text", [], {}, [5], {"a": 5}, "\x00", "\ud800", "x" * 5_000, None]
    names = ("device", "traits", "externalIds", "consent", "consentManagement", "page", "ip")
    elements = [
        {"type": "identify", "userId": f"odd-{n}", "context": {name: value}}
        for n, (name, value) in enumerate(itertools.product(names, odd))
    ]
    inner = {"id": odd, "type": {}, "collection": 5, "encoding": None}
    elements += [
        {"type": "identify", "userId": "odd-ids", "context": {"externalIds": [inner, *odd]}},
        {"type": "merge", "mergeProperties": odd},
        {"type": "merge", "mergeProperties": [{"type": odd, "value": odd}]},
        {"type": "alias", "userId": "odd-ids", "previousId": "\x00"},
        {"type": "group", "userId": "odd-ids", "groupId": "\ud800", "traits": {"\x00": "\x00"}},
        {"type": "page", "userId": "\x00\ud800", "anonymousId": 1e300, "messageId": "\x00"},
        {
            "type": "track",
            "userId": "odd-ids",
            "event": "\x00",
            "timestamp": "9999-12-31T23:59:59Z",
        },
        {"type": "track", "userId": "odd-ids", "event": "Late", "timestamp": 253402300799999},
    ]
    body = ",".join(json.dumps(each) for each in elements).encode()
    assert sender.among_neighbours(body) == []
    assert sender.platform.profile("user_id:odd-ids")["events"] == {"\x00": 1, "Late": 1}
    assert sender.platform.profile("user_id:odd-0")["identifiers"] == {"user_id": ["odd-0"]}


@pytest.mark.parametrize("batch", [b"5", b"null", b'"x"', b"{}", b"NaN"])
def test_a_batch_that_is_none_is_kept_whole(sender: Sender, batch: bytes) -> None:
    before = len(sender.kept())
    assert sender.post(b'{"batch":' + batch + b"}").json() == {"success": True}
    (kept,) = sender.kept()[before:]
    assert kept["reason"] == "batch: must be a list of messages"


COUNTS: list[Any] = [-1, 1001, 1.5, "2", True, None, [1], {}, 1e300, 10**400, -(10**30)]


def test_segments_that_count_what_cannot_be_counted_are_refused(sender: Sender) -> None:
    call = sender.platform.call
    bodies = [
        json.dumps({"name": "n", "where": {"event": "e", "count": {"gte": count}}})
        for count in COUNTS
    ]
    bodies += [
        f'{{"name":"n","where":{{"event":"e","count":{{"gte":{count}}}}}}}'
        for count in ("NaN", "-NaN", "Infinity", "1e400", "01", "")
    ]
    bodies += ["", "null", "[]", '{"name":"n"', '{"name":"n","where":' + '{"not":' * 10_000]
    bodies += [
        '{"name":"n","where":{"event":"\\u0000"}}',
        '{"name":"n","where":{"event":"\\ud800"}}',
    ]
    within = ({"event": "e", "within": wrong} for wrong in ("-7d", "0d", "NaN", "7", 7, None))
    bodies += [json.dumps({"name": "n", "where": where}) for where in within]
    for body in bodies:
        answer = call("PUT", "/segments/uncountable", content=body.encode())
        assert answer.status_code == 400, body[:200]
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
        if '"gte": ' in body:
            assert answer.json()["field"] == "where.count.gte"
    assert call("GET", "/segments/uncountable").status_code == 404
    whole = {"name": "n", "where": {"event": "e", "count": {"gte": 2.0}}}
    assert call("PUT", "/segments/uncountable", json=whole).status_code == 200
    assert call("DELETE", "/segments/uncountable").status_code == 204


def test_bodies_without_a_length_and_far_too_long(sender: Sender) -> None:
    """On the wire: a client that only listens once it has sent everything hears its answer."""
    connection = http.client.HTTPConnection(urlsplit(sender.platform.url).netloc, timeout=30)
    page = b'{"type":"page","anonymousId":"chunked"}'
    bodies = {200: [page[:9], page[9:]], 413: [b" " * 65_536] * 300}
    for status, chunks in (*bodies.items(), *bodies.items()):  # and again on the same connection
        headers = {"x-write-key": sender.key, "transfer-encoding": "chunked"}
        connection.request("POST", "/v1/batch", iter(chunks), headers, encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, "{" in answer.read().decode()) == (status, True)
    connection.close()
