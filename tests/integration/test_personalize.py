"""What visitors see in a page's slots: chosen for them, only as far as they agreed, and why."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from cdp import times
from cdp.events import Identifier
from cdp.personalizing.held import Catalogue
from cdp.personalizing.questions import Questions
from cdp.personalizing.reading import Reader
from tests.conftest import Api
from tests.support.instances import api_on
from tests.support.privacy import done
from tests.support.receiver import receiving

PURPOSE = "personalization"
GREETING = "<p>Hello {{ person.name|default('you') }}</p>"


async def define(api: Api, key: str, html: str = "<p>x</p>", **fields: Any) -> None:
    content = {"name": key, "slots": ["hero"], "variants": [{"key": "a", "html": {"en": html}}]}
    await api.put(f"/content/{key}", content | fields)


async def ask(api: Api, query: str, **headers: str) -> httpx.Response:
    key = api.instance.keys["write_key"]
    path = f"/personalize/content?writeKey={key}&{query}"
    return await api.client.get(path, headers=headers)


async def hero(api: Api, query: str) -> dict[str, Any]:
    answer = await ask(api, f"slot=hero&{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["blocks"]["hero"])


async def decide(api: Api, state: str, user: str = "ada") -> None:
    await api.put(f"/consent/user_id:{user}", {"purpose": PURPOSE, "state": state})
    await api.settle()


@pytest.fixture
async def shop(api: Api) -> Api:
    """Buyers see something of their own, if they agreed."""
    where = {"event": "Order Completed"}
    await api.put("/segments/buyers", {"name": "B", "purpose": PURPOSE, "where": where})
    await define(api, "welcome")
    await define(
        api,
        "again",
        GREETING,
        segments=["buyers"],
        purpose=PURPOSE,
        priority=5,
        because="You ordered before.",
    )
    await api.send("/v1/identify", {"userId": "ada", "traits": {"name": "Ada <b>"}})
    await api.send("/v1/track", {"userId": "ada", "event": "Order Completed"})
    await api.settle()
    await decide(api, "granted")
    return api


async def test_a_buyer_who_agreed_sees_it_and_others_what_is_for_everybody(shop: Api) -> None:
    block = await hero(shop, "user_id=ada")
    assert (block["content"], block["variant"]) == ("again", "a")
    assert block["reasons"][0] == "You ordered before."
    assert "missing_purpose" not in block
    for query in ("user_id=bob", "anonymous_id=x", "", "user_id=ada&personalized=false"):
        block = await hero(shop, query)
        assert (block["content"], block["html"]) == ("welcome", "<p>x</p>"), query


async def test_who_takes_it_back_sees_the_fallback_which_says_why(shop: Api) -> None:
    await decide(shop, "denied")
    answer = (await ask(shop, "slot=hero&user_id=ada")).json()
    assert answer["personalized"] is False
    assert answer["blocks"]["hero"]["content"] == "welcome"


async def test_what_needs_a_purpose_that_is_missing_names_it(shop: Api) -> None:
    await shop.put("/segments/buyers", {"name": "B", "where": {"event": "Order Completed"}})
    await decide(shop, "denied")
    block = await hero(shop, "user_id=ada")
    assert (block["content"], block["missing_purpose"]) == ("welcome", PURPOSE)
    assert any(PURPOSE in each for each in block["reasons"])


async def test_traits_are_for_servers_alone(shop: Api) -> None:
    assert (await hero(shop, "user_id=ada"))["html"] == "<p>Hello you</p>"
    told = await shop.get("/personalize/content?slot=hero&user_id=ada")
    assert told["blocks"]["hero"]["html"] == "<p>Hello Ada &lt;b&gt;</p>"  # type: ignore[index]


async def test_an_anonymous_visitor_who_logs_in_is_known_at_once(shop: Api) -> None:
    assert (await hero(shop, "anonymous_id=a1"))["content"] == "welcome"
    await shop.send("/v1/identify", {"userId": "ada", "anonymousId": "a1"})
    await shop.settle()
    assert (await hero(shop, "anonymous_id=a1"))["content"] == "again"
    assert (await hero(shop, "user_id=nobody&anonymous_id=a1"))["content"] == "again"


async def test_several_slots_at_once_as_html_or_data_in_the_best_language(shop: Api) -> None:
    texts = {"en": {"title": "Hi"}, "de": {"title": "Hallo"}}
    variants = [{"key": "a", "data": texts}]
    await shop.put(
        "/content/box", {"name": "B", "kind": "json", "slots": ["side"], "variants": variants}
    )
    query = "slot=hero&slot=side&slot=none&user_id=ada&locale=de-AT"
    blocks = (await ask(shop, query)).json()["blocks"]
    assert list(blocks) == ["hero", "side", "none"]
    assert (blocks["side"]["locale"], blocks["side"]["data"]) == ("de", {"title": "Hallo"})
    assert blocks["none"] == {"content": None, "reasons": ["There is nothing for this slot now."]}


async def test_an_answer_that_has_not_changed_is_not_sent_again(shop: Api) -> None:
    first = await ask(shop, "slot=hero&user_id=ada")
    assert first.headers["cache-control"] == "private, no-cache"
    again = await ask(shop, "slot=hero&user_id=ada", **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await define(shop, "news", priority=9)
    changed = await ask(shop, "slot=hero&user_id=ada", **{"if-none-match": first.headers["etag"]})
    assert changed.json()["blocks"]["hero"]["content"] == "news"
    assert (await ask(shop, "slot=hero")).headers["cache-control"] == "public, max-age=60"


async def test_the_person_can_ask_why(shop: Api) -> None:
    decision = (await hero(shop, "user_id=ada"))["decision_id"]
    path = f"/personalize/why?decision={decision}"
    told = (await shop.client.get(path)).json()
    assert told["slot"] == "hero"
    assert "You ordered before." in told["reasons"]
    page = await shop.client.get(path, headers={"accept": "text/html"})
    assert "<li>You ordered before.</li>" in page.text
    assert (await shop.client.get("/personalize/why?decision=x")).status_code == 404


async def test_pages_of_any_origin_may_ask_with_a_write_key_alone(shop: Api) -> None:
    answer = await ask(shop, "slot=hero", origin="https://shop.example")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    path = "/personalize/content?slot=hero"
    assert (await shop.client.get(path)).status_code == 401
    assert (await shop.client.get(f"{path}&writeKey=unknown")).status_code == 401
    assert (await shop.client.get(f"/api/v1{path}")).status_code == 401


@pytest.mark.parametrize(
    "query", ["", "slot=", "slot=A", "slot=a&locale=!", "slot=a&personalized=1"]
)
async def test_a_question_that_is_none_is_refused(api: Api, query: str) -> None:
    assert (await ask(api, query)).status_code == 400


async def test_a_content_that_is_deleted_is_seen_no_more(shop: Api) -> None:
    assert (await shop.call("DELETE", "/content/again")).status_code == 204
    assert (await hero(shop, "user_id=ada"))["content"] == "welcome"
    assert (await shop.call("GET", "/content/again")).status_code == 404
    assert [each["key"] for each in (await shop.get("/content"))["content"]] == ["welcome"]  # type: ignore[attr-defined]


async def test_nothing_of_a_person_who_was_erased_is_left_to_go_by(shop: Api) -> None:
    await done(shop, "erase", "user_id:ada")
    assert (await hero(shop, "user_id=ada"))["content"] == "welcome"


async def test_how_people_stand_is_what_their_profile_says(api: Api) -> None:
    said = {
        "calm": {},
        "yes": {"consent": {"categoryPreferences": {PURPOSE: True, "marketing_email": True}}},
        "no": {"consent": {"categoryPreferences": {PURPOSE: False, "analytics": True}}},
        "elsewhere": {"consent": {"categoryPreferences": {"analytics": True}}},
    }
    for user, context in said.items():
        page = {"userId": user, "anonymousId": f"of-{user}", "context": context}
        gpc = {"sec-gpc": "1"} if user == "elsewhere" else {}
        await api.send("/v1/page", page, **gpc)
    late = {"purpose": "marketing_push", "state": "granted", "jurisdiction": "DE"}
    await api.put("/consent/user_id:elsewhere", late)
    await api.settle()
    core = api.instance.core
    questions = Questions(core.database)
    reader = Reader(core.database, core.people, await catalogue(api), questions)
    for user in said:
        shown = await api.get(f"/profiles/user_id:{user}")
        states = {p: s == "granted" for p, s in shown["consent"].items()}  # type: ignore[attr-defined]
        for who in (Identifier("user_id", user), Identifier("anonymous_id", f"of-{user}")):
            for _ in range(2):  # read, then remembered
                known = await reader.find([who])
                assert known is not None
                assert (known.allows, known.segments) == (states, frozenset())
    await questions.close()


async def catalogue(api: Api) -> Catalogue:
    made = Catalogue(api.instance.core.people.home)
    await made.renew(api.instance.core.database, times.now())
    return made


ITEM = {"id": "https://cms.example/1", "title": "New", "content_html": "<p>{{ 7 * 7 }} {# x #}</p>"}
FEED = {"version": "https://jsonfeed.org/version/1.1", "title": "Blog", "items": [ITEM]}


async def take_in(api: Api, **said: Any) -> httpx.Response:
    body = {"prefix": "blog", "slots": ["hero"]} | said
    return await api.call("POST", "/content/import", json=body)


async def test_a_feed_becomes_content_whose_html_is_no_template(api: Api) -> None:
    told = (await take_in(api, feed=FEED)).json()
    assert (len(told["imported"]), told["removed"]) == (1, [])
    block = await hero(api, "")
    assert (block["content"], block["html"]) == (told["imported"][0], ITEM["content_html"])
    text = {"id": "2", "content_text": "1 < 2", "tags": ["t"], "url": "https://cms.example/2"}
    again = (await take_in(api, feed={"items": [text]})).json()
    assert again["removed"] == told["imported"]
    block = await hero(api, "")
    assert (block["html"], block["tags"]) == ("1 &lt; 2", ["t"])
    assert block["metadata"] == {"url": "https://cms.example/2"}
    kept = (await take_in(api, feed={"items": []}, replace=False)).json()
    assert kept == {"imported": [], "removed": []}


async def test_a_feed_is_read_from_where_it_is(api: Api) -> None:
    async with receiving() as cms:
        refused = await take_in(api, url=cms.url)  # it answers with nothing
        assert (refused.status_code, refused.json()["field"]) == (400, "url")
    for url in ("http://127.0.0.1:9/feed", "http://169.254.169.254/feed", "ftp://x/feed"):
        answer = await take_in(api, url=url)
        assert (answer.status_code, answer.json()["field"]) == (400, "url")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "feed"),
        ({"feed": FEED, "url": "https://cms.example/"}, "feed"),
        ({"feed": {"items": [{"title": "x"}]}}, "feed.items[0].id"),
        ({"feed": {"items": [ITEM | {"date_published": "soon"}]}}, "feed.items[0]"),
        ({"feed": {"items": [ITEM | {"content_html": "x" * 60_000}]}}, "feed.items[0]"),
    ],
)
async def test_a_feed_that_is_none_is_refused(api: Api, said: dict[str, Any], field: str) -> None:
    answer = await take_in(api, **said)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_another_process_hears_of_content_at_once(api: Api) -> None:
    async with api_on(api.instance) as other:
        await define(api, "welcome")
        async with asyncio.timeout(10):
            while (await hero(other, ""))["content"] != "welcome":
                await asyncio.sleep(0.02)
