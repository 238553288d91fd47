"""Keeps what the store cannot take now on the local disk, until it can.

What is read back is stored as if it had come now, in order. A crash on the way repeats some of it,
which changes nothing: facts and refusals are kept once. Files that a process left when it died are
taken over by whoever finds them.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from cdp import metrics
from cdp.errors import Overloaded, Unreadable
from cdp.log.codec import plain_opened
from cdp.log.quarantine import Refusal
from cdp.log.spillfile import SpillFile
from cdp.log.vault import Seal
from cdp.log.writing import Fact, Group

_SEALED_AS = b"spill"
_FILE_BYTES = 16 << 20
_LOOK_SECONDS = 2.0  # how often files without an owner are looked for


class _Kept(msgspec.Struct, array_like=True):
    """A fact on the disk; older files end earlier."""

    id: bytes
    subject: bytes
    source: int
    at: int
    received_at: int
    plain: bytes
    says_consent: bool
    by_law: bool | None = True
    name: str = ""
    refusal: Refusal | None = None


_Plain = tuple[list[_Kept], list[Refusal]]

log = structlog.get_logger(__name__)


class Spill:
    """A queue of sealed groups in files under `home`, at most `most` bytes."""

    def __init__(self, home: Path, seal: Seal, most: int) -> None:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._home = home
        self._seal = seal
        self._most = most
        self._files: deque[SpillFile] = deque()  # ours, oldest first
        self._using = asyncio.Lock()
        self._grown = asyncio.Event()

    @property
    def holds(self) -> int:
        """Bytes that wait for the store."""
        return sum(file.left for file in self._files)

    async def put(self, group: Group) -> None:
        """Keep a group, on disk on return; Overloaded when there is no room."""
        async with self._using:
            sealed = self._seal.pack(_encode(group), _SEALED_AS)
            if self.holds + len(sealed) > self._most:
                raise Overloaded("the store is away, and what waits for it fills CDP_SPILL_MB")
            if not self._files:
                log.warning("spilling", home=str(self._home))
            try:
                if not self._files or self._files[-1].end > _FILE_BYTES:
                    name = f"{time.time_ns()}-{os.getpid()}.spill"
                    self._files.append(SpillFile.made(self._home / name))
                await asyncio.to_thread(self._files[-1].append, sealed)
            except OSError as error:
                log.error("cannot_spill", error=type(error).__name__, errno=error.errno)
                raise Overloaded("the store is away, and the local disk takes nothing") from error
            metrics.spilled.inc(group.size)
            metrics.spill_bytes.set(self.holds)
        self._grown.set()

    async def drain(self, store: Callable[[Group], Awaitable[object]]) -> None:
        """Store what waits, for as long as the process lives; first what others left behind."""
        while True:
            for left in self._ownerless():
                await self._drain(left, store)
                left.remove()
            while self._files:
                await self._drain(self._files[0], store)
            self._grown.clear()
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._grown.wait()
            except TimeoutError:
                continue

    def close(self) -> None:
        """Leave what is there to whoever comes next."""
        while self._files:
            self._files.popleft().close()

    async def _drain(self, file: SpillFile, store: Callable[[Group], Awaitable[object]]) -> None:
        while file.left:
            sealed = file.peek()
            group = self._opened(sealed) if sealed is not None else None
            if sealed is None or group is None:
                log.error("spill_damaged", path=str(file.path), bytes=file.left)
                file.set_aside()
                break
            await store(group)
            async with self._using:  # a file may be grown only before, or after
                file.passed(sealed)
                self._let_go(file)
        async with self._using:
            self._let_go(file)

    def _let_go(self, file: SpillFile) -> None:
        metrics.spill_bytes.set(self.holds)
        if not file.left and self._files and self._files[0] is file:
            self._files.popleft()
            file.remove()
            if not self._files:
                log.info("spill_drained")

    def _opened(self, sealed: bytes) -> Group | None:
        try:
            return _decode(self._seal.unpack(sealed, _SEALED_AS))
        except (Unreadable, msgspec.MsgspecError):
            return None

    def _ownerless(self) -> list[SpillFile]:
        ours = {file.path for file in self._files}
        paths = (path for path in sorted(self._home.glob("*.spill")) if path not in ours)
        return [file for path in paths if (file := SpillFile.found(path)) is not None]


def _encode(group: Group) -> bytes:
    facts = [_kept(fact) for fact in group.facts]
    return msgspec.msgpack.encode((facts, group.refusals))


def _kept(fact: Fact) -> _Kept:
    says_consent = fact.event is not None
    return _Kept(*fact[:6], says_consent, fact.by_law, fact.name, fact.refusal)


def _decode(plain: bytes) -> Group:
    facts, refusals = msgspec.msgpack.decode(plain, type=_Plain)
    return Group([_fact(fact) for fact in facts], refusals)


def _fact(kept: _Kept) -> Fact:
    event = plain_opened(kept.plain) if kept.says_consent else None
    named = kept.id, kept.subject, kept.source, kept.at, kept.received_at, kept.plain
    return Fact(*named, event, kept.by_law, name=kept.name, refusal=kept.refusal)
