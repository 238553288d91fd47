"""Platforms that need not be born: the data directory is a copy of one that was made before.

The first start itself is in README's examples, in the demo, in the drill of `test_disaster`, and in
the platform that most acceptance tests share.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.platform import Platform, running
from tests.support.stores import PLACE


@contextmanager
def again(home: Path, **settings: str) -> Iterator[Platform]:
    """A platform that starts for the second time, with nothing in its log; as `running`."""
    shutil.copytree(_made(), home / "data")
    with running(home, **settings) as platform:
        yield platform


@functools.cache
def _made() -> Path:
    """By `cdp migrate`, which starts and ends the servers itself."""
    home = Path(tempfile.mkdtemp(prefix="born-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
    environment |= {"CDP_DATA_DIR": str(home / "data"), "CDP_JURISDICTION": PLACE}
    command = [sys.executable, "-m", "cdp", "migrate", "--first-keys"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return home / "data"
