"""/docs in a real browser: it shows every route, without the internet, under its own policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.conftest import SDKS
from tests.support.browser import browsing, site
from tests.support.platform import Platform

FRAMED = """<!doctype html><title>evil</title><iframe src="URL"></iframe>
<script>setTimeout(() => { window.told = true }, 1000)</script>"""


@pytest.mark.usefixtures("node_modules")
def test_it_shows_the_api_and_asks_nobody_else(
    platform: Platform, chromium: str, tmp_path: Path
) -> None:
    with browsing(SDKS, chromium, tmp_path) as browser:
        route = "#operations-Segments-put_segment_api_v1_segments__key__put"
        browser.visit(f"{platform.url}/docs", route)
        browser.visit(f"{platform.url}/docs#/Segments", ".opblock-summary-path")
        assert browser.report() == {"outside": [], "problems": []}


@pytest.mark.usefixtures("node_modules")
def test_no_other_page_may_frame_it(platform: Platform, chromium: str, tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "index.html").write_text(FRAMED.replace("URL", f"{platform.url}/docs"))
    with (
        site(tmp_path / "evil") as evil,
        browsing(SDKS, chromium, tmp_path / "profile") as browser,
    ):
        browser.visit(f"{evil}/index.html")
        problems = browser.report()["problems"]
    assert [each for each in problems if "frame-ancestors" in each]
