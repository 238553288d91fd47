"""The platform's programs, of this version or the next, as processes against given stores."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdp.instance import Running
from cdp.services.server import die_with_parent
from tests.support.stores import MASTER_KEY, PLACE

THIS, NEXT = "cdp", "tests.support.next_version"
_ROOT = Path(__file__).parent.parent.parent
_SECONDS = 60.0


class Programs:
    """Commands with one environment; what still runs at the end is ended."""

    def __init__(self, running: Running, home: Path) -> None:
        self.home = home
        self._started: list[subprocess.Popen[bytes]] = []
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
        self.environment |= {**running.environment(), "CDP_DATA_DIR": str(home)}
        self.environment |= {
            "CDP_MASTER_KEY": MASTER_KEY,
            "CDP_JURISDICTION": PLACE,
            "PYTHONDONTWRITEBYTECODE": "",
        }

    def start(self, *arguments: str, of: str = THIS, **settings: str) -> subprocess.Popen[bytes]:
        """Run on in the background; its output goes to a file."""
        with (self.home / f"{of}-{'-'.join(arguments)}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", of, *arguments],
                cwd=_ROOT,
                env=self.environment | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509
            )
        self._started.append(process)
        return process

    def run(self, *arguments: str, of: str = THIS) -> tuple[int, str]:
        """To the end: exit code, and everything it printed."""
        done = subprocess.run(
            [sys.executable, "-m", of, *arguments],
            cwd=_ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    def stop(self, *processes: subprocess.Popen[bytes]) -> None:
        """As a process manager does; AssertionError if one ends with an error."""
        for process in processes:
            process.terminate()
        codes = [process.wait(_SECONDS) for process in processes]
        self._started = [each for each in self._started if each not in processes]
        assert set(codes) <= {0, -signal.SIGTERM}, codes  # a server ends by the signal it got

    def log(self, *arguments: str, of: str = THIS) -> str:
        """What a program in the background has printed."""
        return (self.home / f"{of}-{'-'.join(arguments)}.log").read_text(errors="replace")

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            process.kill()
            process.wait()


@contextmanager
def programs(running: Running, home: Path) -> Iterator[Programs]:
    """For as long as the block lasts."""
    made = Programs(running, home)
    try:
        yield made
    finally:
        made.close()
