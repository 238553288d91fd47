"""A page's examples as commands with what they print, and a shell to run them in."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_FENCED = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DOCUMENT = re.compile(r"<<'(\w+)'")
_SECONDS = 60.0  # a command may take
_ASKS = re.compile(r"/(profiles/read|preview|dry-run) ")  # a POST that changes nothing
_REST = "…"  # stands for whatever is printed there


class Example(NamedTuple):
    """One command of a page, and what the page says it prints."""

    command: str
    printed: str
    line: int

    @property
    def only_reads(self) -> bool:
        """Whether it may be asked again until its answer is there."""
        changes = re.search(r" -[dXT] ", self.command) and not _ASKS.search(self.command)
        return self.command.startswith("curl ") and not changes

    def is_answered_by(self, output: str) -> bool:
        """Whether this was printed; white space apart, because pages break long lines."""
        wanted = (re.escape(part) for part in _bare(self.printed).split(_REST))
        return re.fullmatch(".*?".join(wanted), _bare(output)) is not None


def examples(page: str) -> Iterator[Example]:
    """Those of a page's `console` and `python` blocks, in their order."""
    for block in _FENCED.finditer(page):
        line = page.count("\n", 0, block.start()) + 2
        if block[1] == "python":
            yield Example(f"{shlex.quote(sys.executable)} - <<'END'\n{block[2]}END", "", line)
        else:
            yield from _commands(block[2].splitlines(), line)


def _commands(lines: list[str], first: int) -> Iterator[Example]:
    at = 0
    while at < len(lines):
        assert lines[at].startswith("$ "), f"line {first + at} is no command: {lines[at]}"
        begin, command = at, lines[at][2:]
        while not _is_whole(command):
            at += 1
            command += "\n" + lines[at]
        printed = at = at + 1
        while at < len(lines) and not lines[at].startswith("$ "):
            at += 1
        yield Example(command, "\n".join(lines[printed:at]), first + begin)


def _is_whole(command: str) -> bool:
    document = _DOCUMENT.search(command)
    if document:
        return command.endswith(f"\n{document[1]}")
    if command.endswith("\\"):
        return False
    try:
        shlex.split(command)
    except ValueError:  # a quotation is open
        return False
    return True


def _bare(text: str) -> str:
    return re.sub(r"\s+", "", text)


class Shell:
    """A bash that keeps its variables from one command to the next."""

    def __init__(self, cwd: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Its exit code and what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end = uuid.uuid4().hex
        self._process.stdin.write(f"{command}\ncode=$?; echo; echo {end} $code\n")
        self._process.stdin.flush()
        printed = []
        watch = threading.Timer(_SECONDS, self._process.kill)
        watch.start()
        try:
            for line in self._process.stdout:
                if line.startswith(end):
                    return int(line.split()[1]), "".join(printed)
                printed.append(line)
        finally:
            watch.cancel()
        raise AssertionError(f"the shell ended, or took over {_SECONDS:.0f} s, at: {command}")

    def close(self) -> None:
        """End it."""
        with self._process:
            self._process.terminate()
