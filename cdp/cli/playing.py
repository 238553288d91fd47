"""How the playing of a file looks: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cdp.importing.play import Ears, Tally

_MOST_TOLD = 20  # broken lines that are told one by one
_EVERY_SECONDS = 5.0  # without a terminal
_WAITING_SECONDS = 2.0


class Playing:
    """Shows a run; use it in a `with` block."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._started = self._told = time.monotonic()
        self._waited = float("-inf")
        self._broken = 0
        self._stack = ExitStack()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[calls]}"),
            TimeElapsedColumn(),
            TextColumn("[dim]left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(what, total=None, calls="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._stack.enter_context(self._bar)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        if self._broken > _MOST_TOLD:
            self._console.print(f"… and {self._broken - _MOST_TOLD:,} more lines were skipped")

    @property
    def ears(self) -> Ears:
        """What the run tells goes here."""
        return Ears(self._on_broken, self._on_waiting, self._on_progress)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def _on_broken(self, line: int, reason: str) -> None:
        self._broken += 1
        if self._broken <= _MOST_TOLD:
            self._console.print(
                f"line {line}: {reason}", style="yellow", markup=False, highlight=False
            )

    def _on_waiting(self, reason: str) -> None:
        if time.monotonic() - self._waited < _WAITING_SECONDS:
            return  # several requests wait for the same thing
        self._waited = time.monotonic()
        self._console.print(reason, style="dim", markup=False, highlight=False)

    def _on_progress(self, tally: Tally) -> None:
        rate = tally.sent / max(self.seconds, 0.001)
        calls = f"{tally.sent:,} calls, {rate:,.0f}/s"
        if self._console.is_terminal:
            size = tally.size or None
            self._bar.update(self._task, completed=tally.position, total=size, calls=calls)
        elif time.monotonic() - self._told >= _EVERY_SECONDS:
            self._told = time.monotonic()
            share = tally.position / tally.size if tally.size else 1.0
            self._console.print(f"{share:4.0%}  {calls}", highlight=False)
