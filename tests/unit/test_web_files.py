"""cdp.js is small, and runs where a page's policy allows neither inline scripts nor eval."""

from __future__ import annotations

import gzip
from importlib import resources

import pytest


@pytest.mark.parametrize("name", ["cdp.js", "cdp-sw.js"])
def test_it_is_small_and_keeps_to_strict_policies(name: str) -> None:
    source = (resources.files("cdp.web") / name).read_bytes()
    assert len(gzip.compress(source, 9)) < 4096
    for word in (b"eval(", b"Function(", b"document.write", b"setAttribute", b"import("):
        assert word not in source
