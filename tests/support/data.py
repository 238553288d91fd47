"""Where the public datasets are that tests read and the project does not ship."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).parents[3] / "shared" / "data"


def public(name: str) -> Path:
    """A file of the public data; the test that asks is skipped where it is missing."""
    path = Path(os.environ.get("CDP_TEST_DATA") or _BESIDE) / name
    if not path.is_file():
        pytest.skip(f"no {name} here: set CDP_TEST_DATA to a folder that has the public datasets")
    return path
