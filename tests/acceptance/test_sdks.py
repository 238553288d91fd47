"""Unmodified server SDKs tell their story: every message arrives once, on the right profile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import SDKS
from tests.support.platform import Platform
from tests.support.story import Story, Teller
from tests.support.wire import wire

_TELL_SECONDS = 60
_JITSU = Teller(messages=8, aliases=False, stamps_all=True)
_RETRYING = ("segment_python.py", "rudder_python.py", "segment_node.mjs", "rudder_node.mjs")


def tell(script: str, url: str, key: str, who: str) -> None:
    """Run a program that somebody wrote with an SDK; it fails unless the SDK says all went well."""
    interpreter = [sys.executable, "-W", "error"] if script.endswith(".py") else ["node"]
    done = subprocess.run(
        [*interpreter, script, url, key, who],
        cwd=SDKS,
        capture_output=True,
        text=True,
        timeout=_TELL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    """Node programs need their packages."""
    if request.getfixturevalue("script").endswith(".mjs"):
        request.getfixturevalue("node_modules")


@pytest.mark.parametrize("script", [*_RETRYING, "jitsu_node.mjs"])
def test_every_message_arrives_once(platform: Platform, script: str) -> None:
    who = f"plain-{Path(script).stem}"
    story = Story(platform, who, _JITSU if script == "jitsu_node.mjs" else Teller())
    tell(script, platform.url, platform.keys["write_key"], who)
    story.check()


@pytest.mark.parametrize("script", _RETRYING)
def test_what_an_sdk_sends_again_counts_once(platform: Platform, script: str) -> None:
    who = f"lossy-{Path(script).stem}"
    story = Story(platform, who, Teller())
    with wire(platform.url, loses=True) as lossy:
        tell(script, lossy.url, platform.keys["write_key"], who)
    story.check()
    assert len(lossy.message_ids) == Teller.messages
    assert min(lossy.times_sent().values()) > 1  # each was sent again for want of an answer
