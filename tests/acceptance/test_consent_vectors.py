"""The consent strings that unit tests read are what the IAB's own libraries make and read."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.acceptance.conftest import installed

TESTS = Path(__file__).parent.parent
IAB = TESTS / "iab"


def test_the_libraries_still_say_so() -> None:
    installed(IAB)
    made = subprocess.run(
        ["node", "generate.mjs"], cwd=IAB, capture_output=True, text=True, timeout=60, check=True
    )
    assert made.stdout == (TESTS / "data" / "consent_strings.json").read_text()
