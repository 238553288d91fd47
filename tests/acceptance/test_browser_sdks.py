"""Unmodified web SDKs tell their story in Chromium: every message arrives once, whatever happens.

The page comes from another origin than the platform, is left, and is visited again, as pages are.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from tests.acceptance.conftest import SDKS
from tests.support.browser import Browser, browsing, site
from tests.support.platform import Platform
from tests.support.story import Story, Teller
from tests.support.wire import Wire, wire

_BUILD_SECONDS = 60
_SECONDS = 60.0
_BATCHING = {"strategy": "batching", "config": {"size": 4, "timeout": 60_000}}
_SEGMENT = Teller(renames=False, stamps_all=True)  # after an identify, `alias` says the old id
_RUDDER = Teller(stamps_all=True, keeps_device=True)
_JITSU = Teller(messages=8, aliases=False, stamps_all=True)


class Way(NamedTuple):
    """One way to load an SDK, and the routes that its messages take."""

    sdk: str
    teller: Teller
    routes: set[str]
    options: Mapping[str, Any] = MappingProxyType({})
    waits: bool = False  # it keeps messages back, and sends the last of them when the page is left


_LETTERS = {f"/v1/{letter}" for letter in "ptiga"}
_CALLS = {f"/v1/{call}" for call in ("page", "track", "identify", "group", "alias")}
_JITSU_CALLS = {f"/api/s/{call}" for call in ("page", "track", "identify", "group")}
WAYS = {
    "segment": Way("segment", _SEGMENT, _LETTERS),
    "segment-batching": Way(
        "segment",
        _SEGMENT,
        {"/v1/b"},
        {"integrations": {"Segment.io": {"deliveryStrategy": _BATCHING}}},
        waits=True,
    ),
    "rudder": Way("rudder", _RUDDER, _CALLS),
    "rudder-beacon": Way(
        "rudder",
        _RUDDER,
        {"/beacon/v1/batch"},
        {"useBeacon": True, "beaconQueueOptions": {"maxItems": 4, "flushQueueInterval": 60_000}},
        waits=True,
    ),
    "rudder-batching": Way(
        "rudder",
        _RUDDER,
        {"/v1/batch"},
        {"queueOptions": {"batch": {"enabled": True, "maxItems": 4, "flushInterval": 60_000}}},
        waits=True,
    ),
    "jitsu": Way("jitsu", _JITSU, _JITSU_CALLS),
}


@pytest.fixture(scope="module")
def shop(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a shop whose pages load the SDKs, bundled as shops bundle them."""
    directory = tmp_path_factory.mktemp("shop")
    shutil.copytree(SDKS / "pages", directory, dirs_exist_ok=True)
    sources = [f"pages/{sdk}.mjs" for sdk in ("segment", "rudder", "jitsu")]
    options = ["--bundle", "--format=esm", "--log-level=warning", f"--outdir={directory}"]
    subprocess.run(
        [node_modules / ".bin" / "esbuild", *sources, *options],
        cwd=SDKS,
        check=True,
        timeout=_BUILD_SECONDS,
    )
    with site(directory) as address:
        yield address


def tell(story: Story, way: Way, reached: Wire, shop: str, browser: Browser, key: str) -> None:
    """Both shoppers use the browser, one after the other; then it only opens the shop again."""
    asked = {"sdk": way.sdk, "url": reached.url, "key": key, "who": story.who}
    asked["options"] = json.dumps(dict(way.options))
    for shopper in ("ada", "bob"):
        browser.visit(f"{shop}/sdk.html?{urlencode(asked | {'shopper': shopper})}")
        if not way.waits:
            story.wait_until_heard(first_shopper=shopper == "ada")
        browser.visit(f"{shop}/left.html")
        story.wait_until_heard(first_shopper=shopper == "ada")
    browser.visit(f"{shop}/sdk.html?{urlencode(asked)}")


@pytest.mark.parametrize("name", WAYS)
def test_every_message_arrives_once(
    platform: Platform, shop: str, chromium: str, tmp_path: Path, name: str
) -> None:
    way, key = WAYS[name], platform.keys["write_key"]
    story = Story(platform, f"web-{name}", way.teller)
    with wire(platform.url) as noted, browsing(SDKS, chromium, tmp_path) as browser:
        tell(story, way, noted, shop, browser, key)
        assert browser.report() == {"outside": [], "problems": []}
    story.check()
    assert len(noted.message_ids) == way.teller.messages
    assert {each.path.partition("?")[0] for each in noted.passed if each.message_ids} == way.routes


@pytest.mark.parametrize("name", ["segment", "rudder"])
def test_what_an_sdk_sends_again_counts_once(
    platform: Platform, shop: str, chromium: str, tmp_path: Path, name: str
) -> None:
    way, key = WAYS[name], platform.keys["write_key"]
    story = Story(platform, f"lossy-web-{name}", way.teller)
    with (
        wire(platform.url, loses=True) as lossy,
        browsing(SDKS, chromium, tmp_path) as browser,
    ):
        tell(story, way, lossy, shop, browser, key)
        platform.wait_for(lambda: min(lossy.times_sent().values()) > 1, _SECONDS, "second attempts")
        report = browser.report()
    assert report["outside"] == []
    assert all("ERR_EMPTY_RESPONSE" in problem for problem in report["problems"])
    story.check()
    assert len(lossy.message_ids) == way.teller.messages


@pytest.mark.parametrize(
    ("page", "script"),
    [("segment_tag", "/analytics.js/v1/{key}/analytics.min.js"), ("jitsu_tag", "/p.js")],
)
def test_a_script_tag_is_enough(
    platform: Platform, shop: str, chromium: str, tmp_path: Path, page: str, script: str
) -> None:
    key, ada = platform.keys["write_key"], f"{page}-ada".replace("_", "-")
    answer = platform.get(script.format(key=key))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/javascript")
    asked = urlencode({"url": platform.url, "key": key, "ada": ada})
    with browsing(SDKS, chromium, tmp_path) as browser:
        browser.visit(f"{shop}/{page}.html?{asked}")
        platform.wait_for(lambda: _events(platform, ada) == 2, _SECONDS, "events")
        assert browser.report() == {"outside": [], "problems": []}
    platform.wait_quiet()
    profile = platform.profile(f"user_id:{ada}")
    assert profile["events"] == {"page": 1, "Order Completed": 1}
    assert profile["traits"] == {"plan": "pro"}


def _events(platform: Platform, user_id: str) -> int:
    return sum(platform.profile(f"user_id:{user_id}").get("events", {}).values())
