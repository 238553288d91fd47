"""Audiences as lines say what pages say, and nothing is sent to who has it already."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdp import pulling
from tests.conftest import Api
from tests.support.privacy import done

NDJSON = {"accept": "application/x-ndjson"}
MEMBERS = "/segments/visitors/members"


async def visit(api: Api, *messages: dict[str, Any]) -> None:
    assert (await api.send("/v1/batch", {"batch": list(messages)})).is_success
    await api.settle()


def page(**who: Any) -> dict[str, Any]:
    return {"type": "page", **who}


@pytest.fixture
async def audience(api: Api) -> Api:
    """People with several devices, with what the graph refused, and with nothing but a visit."""
    await api.put("/segments/visitors", {"name": "Visitors", "where": {"event": "page"}})
    people = [page(anonymousId=f"a{number}") for number in range(5)]
    devices = [page(userId="ada", anonymousId=each) for each in ("phone", "laptop", "tablet")]
    mail = {"type": "identify", "userId": "ada", "traits": {"email": "ada@example.com"}}
    denies = page(userId="bob", anonymousId="b", context={"consent": {"categoryPreferences": {}}})
    shared = [page(userId=each, anonymousId="kiosk") for each in ("bob", "cleo")]
    await visit(api, *people, *devices, mail, denies, *shared)
    return api


async def asked(api: Api, path: str, **headers: str) -> Any:
    key = {"authorization": f"Bearer {api.instance.keys['api_key']}"}
    return await api.client.get(f"/api/v1{path}", headers=key | headers)


@pytest.mark.parametrize("query", ["?include=identifiers", "?include=none", "?include=traits"])
async def test_lines_say_what_pages_say(
    audience: Api, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE", 2)
    pages: Any = (await audience.get(f"{MEMBERS}{query}&limit=1000"))["members"]
    streamed = (await asked(audience, MEMBERS + query, **NDJSON)).text.splitlines()
    assert len(pages) == 8
    assert [json.loads(line) for line in streamed] == pages


async def test_of_who_was_erased_no_line_is_left(audience: Api) -> None:
    await done(audience, "erase", "user_id:ada")
    told = (await asked(audience, MEMBERS, **NDJSON)).text
    assert "ada" not in told and "phone" not in told
    assert len(told.splitlines()) == 7


@pytest.mark.parametrize("form", [{}, NDJSON], ids=["pages", "lines"])
async def test_nothing_is_sent_to_who_has_it_already(audience: Api, form: dict[str, str]) -> None:
    path = f"{MEMBERS}?include=none"
    first = await asked(audience, path, **form)
    known = {"if-none-match": first.headers["etag"]}
    again = await asked(audience, path, **form, **known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    await visit(audience, page(anonymousId="a0"), {"type": "identify", "userId": "nobody"})
    assert (await asked(audience, path, **form, **known)).status_code == 304
    await visit(audience, page(anonymousId="new"))
    assert (await asked(audience, path, **form, **known)).status_code == 200


async def test_what_is_known_of_members_is_sent_when_that_is_news(audience: Api) -> None:
    first = await asked(audience, MEMBERS)
    known = {"if-none-match": f'"other", W/{first.headers["etag"]}'}
    assert (await asked(audience, MEMBERS, **known)).status_code == 304
    await visit(audience, {"type": "identify", "userId": "ada", "anonymousId": "watch"})
    changed = await asked(audience, MEMBERS, **known)
    assert changed.status_code == 200 and "watch" in changed.text


async def test_who_moves_with_an_identifier_is_news_though_nobody_is_told(audience: Api) -> None:
    path = f"{MEMBERS}?include=none"
    first = await asked(audience, path)
    assert len(first.json()["members"]) == 8
    await visit(audience, {"type": "identify", "userId": "ada", "anonymousId": "a0"})
    changes: Any = (await audience.get("/segments/visitors/changes"))["changes"]
    assert len(changes) == 8
    again = await asked(audience, path, **{"if-none-match": first.headers["etag"]})
    assert again.status_code == 200 and len(again.json()["members"]) == 7


async def test_a_tag_is_of_one_question(audience: Api) -> None:
    tags = [
        (await asked(audience, path, **form)).headers["etag"]
        for path in (MEMBERS, f"{MEMBERS}?limit=1", "/segments/visitors/changes")
        for form in ({}, NDJSON)
    ]
    assert len(set(tags)) == 6


async def test_a_feed_without_news_is_not_sent_again(audience: Api) -> None:
    path = "/segments/visitors/changes?after=3"
    first = await asked(audience, path)
    known = {"if-none-match": first.headers["etag"]}
    assert (await asked(audience, path, **known)).status_code == 304
    await visit(audience, page(anonymousId="new"))
    assert (await asked(audience, path, **known)).status_code == 200
