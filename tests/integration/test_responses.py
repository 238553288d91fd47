"""Opens and clicks: facts where the person allows it, links that lead where we wrote, and on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import Api
from tests.integration.test_email import PURPOSE, ada, connect, say, send
from tests.support.smtp import Mailbox, mailing

HTML = """<body><a class="b" href="https://shop.example/x?a=1&amp;b=2">Buy</a>
<a href='{{ links.preferences }}'>Choose</a> <a href="mailto:a@shop.example">Ask</a></body>"""
TARGET = "https://shop.example/x?a=1&b=2"


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailing() as found:
        yield found


async def measure(api: Api, state: str) -> None:
    await api.put("/consent/user_id:ada", {"purpose": "analytics", "state": state})
    await api.settle()


async def written(api: Api, box: Mailbox, state: str = "granted") -> tuple[str, list[str]]:
    """The HTML that arrived, and the paths in it that measure: clicks, then the picture."""
    await connect(api, box)
    await say(api, HTML)
    await ada(api)
    await measure(api, state)
    assert (await send(api))["state"] == "sent"
    part = box.messages[-1].get_body(("html",))
    assert part is not None
    html: str = part.get_content()
    return html, re.findall(r'"http://cdp\.test(/r/[^"]+)"', html)


async def counted(api: Api) -> dict[str, int]:
    await api.settle()
    found: Any = await api.get("/profiles/user_id:ada")
    names = ("Email Opened", "Email Link Clicked")
    return {name: found["events"][name] for name in names if name in found["events"]}


async def follow(api: Api, path: str, method: str = "GET") -> httpx.Response:
    return await api.client.request(method, path, follow_redirects=False)


async def test_what_is_opened_and_followed_is_told_once(api: Api, box: Mailbox) -> None:
    html, (click, picture) = await written(api, box)
    assert "href='http://cdp.test/preferences/" in html and 'href="mailto:' in html
    assert html.index("<img") < html.index("</body>")
    assert (await follow(api, click, "HEAD")).status_code == 302
    assert await counted(api) == {}
    for _ in range(2):
        answer = await follow(api, click)
        assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
        shown = await follow(api, picture)
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/gif")
    assert await counted(api) == {"Email Opened": 1, "Email Link Clicked": 1}


async def test_who_does_not_allow_it_gets_it_as_it_was_written(api: Api, box: Mailbox) -> None:
    html, paths = await written(api, box, "denied")
    assert (paths, "<img" in html, 'href="https://shop.example/x' in html) == ([], False, True)


async def test_who_allows_it_no_more_is_not_measured_and_led_on(api: Api, box: Mailbox) -> None:
    _, (click, picture) = await written(api, box)
    await measure(api, "denied")
    assert (await follow(api, click)).headers["location"] == TARGET
    assert (await follow(api, picture)).status_code == 200
    assert await counted(api) == {}


async def test_a_link_leads_nowhere_that_was_not_written(api: Api, box: Mailbox) -> None:
    _, (click, _) = await written(api, box)
    middle = len(click) // 2
    other = "A" if click[middle] != "A" else "B"
    changed = click[:middle] + other + click[middle + 1 :]
    for path in (changed, click[:-4], "/r/x", "/r/" + "A" * 3000, "/r/https:%2F%2Fevil.example"):
        assert (await follow(api, path)).status_code == 404
    assert await counted(api) == {}


async def test_a_campaigns_results_tell_of_opens_clicks_and_what_came_back(
    api: Api, box: Mailbox
) -> None:
    await connect(api, box)
    await say(api, HTML)
    await ada(api)
    await measure(api, "granted")
    steps = [{"send": {"template": "hello", "channels": ["mail"]}}]
    said = {"name": "C", "trigger": {"event": "Seen"}, "purpose": PURPOSE, "steps": steps}
    await api.put("/campaigns/hello", said)
    await api.send("/v1/track", {"userId": "ada", "event": "Seen"})
    await api.settle()
    part = box.messages[-1].get_body(("html",))
    assert part is not None
    click, picture = re.findall(r'"http://cdp\.test(/r/[^"]+)"', part.get_content())
    for path in (click, click, picture):
        await follow(api, path)
    forged = {"delivery": "00000000-0000-0000-0000-000000000000"}
    for name in ("Email Bounced", "Email Opened"):
        await api.send("/v1/track", {"userId": "ada", "event": name, "properties": forged})
    await api.settle()
    found: Any = await api.get("/campaigns/hello/results")
    (message,) = found["messages"]
    counts = {
        name: message[name]["count"]
        for name in ("sent", "opened", "clicked", "bounced", "complained")
    }
    assert counts == {"sent": 1, "opened": 1, "clicked": 1, "bounced": 0, "complained": 0}
