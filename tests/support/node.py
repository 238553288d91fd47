"""A Node program that drives Chromium for a test: lines in, an answer of JSON for each line."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Node:
    """The program is ended after so many `seconds`, whatever a test waits for."""

    def __init__(self, directory: Path, *arguments: str, seconds: float) -> None:
        self._process = subprocess.Popen(
            ["node", *arguments],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(seconds, self._process.kill)
        self._watchdog.start()

    def say(self, line: str) -> dict[str, Any]:
        """Give it a line; what it answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def last(self) -> dict[str, Any]:
        """There are no more lines; what it answers to that."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._answer()

    def end(self) -> None:
        """Chromium ends when the program that drives it does."""
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        assert line, f"the browser has ended:\n{self._process.stderr.read()}"
        return dict(json.loads(line))


@contextmanager
def node(directory: Path, *arguments: str, seconds: float) -> Iterator[Node]:
    """The program for as long as the block lasts."""
    program = Node(directory, *arguments, seconds=seconds)
    try:
        yield program
    finally:
        program.end()
