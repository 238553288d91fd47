"""More `cdp` processes beside the platform's own, kept up as a process manager keeps them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cdp.services.server import die_with_parent

_LOOK_SECONDS = 0.5


@dataclass
class Extra:
    """One of them; `ends` is how often it has ended by itself."""

    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    ends: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509
            )


@dataclass
class Extras:
    """All of them; who ends is started again."""

    home: Path
    environment: Mapping[str, str]
    _all: list[Extra] = field(default_factory=list)
    _keeping: asyncio.Task[None] | None = None

    def start(self, *arguments: str, inside: Sequence[str] = (), **environment: str) -> Extra:
        """`inside` is a command that runs it elsewhere, as `ip netns exec HOST` does."""
        command = [*inside, sys.executable, "-m", "cdp", *arguments]
        extra = Extra(command, {**self.environment, **environment}, self.home / "more.log")
        extra.start()
        self._all.append(extra)
        self._keeping = self._keeping or asyncio.create_task(self._keep())
        return extra

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for extra in self._all:
                if extra.process is not None and extra.process.poll() is not None:
                    extra.ends += 1
                    extra.start()

    async def end(self) -> None:
        """End them all, for good."""
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        processes = [extra.process for extra in self._all if extra.process is not None]
        self._all.clear()
        for process in processes:
            process.terminate()
        for process in processes:
            await asyncio.to_thread(process.wait, 20)
