"""Asks for whoever decides: those who come while one question is under way share the next one.

A question on a connection of its own costs a third of one from the pool, and most of that is the
same for one visitor and for twenty.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from cdp.db import Database, Driver, translated
from cdp.errors import StoreUnavailable
from cdp.events import SubjectId
from cdp.personalizing import store
from cdp.personalizing.store import Found

Answer: TypeAlias = dict[SubjectId, Found]

_CLOSING_SECONDS = 1.0


class _Asked(NamedTuple):
    versions: Mapping[SubjectId, int]
    answer: asyncio.Future[Answer]


class Questions:
    """Of one process; the connection is made with the first, and again after it is lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Driver[Any] | None = None
        self._waiting: list[_Asked] = []
        self._asking: asyncio.Task[None] | None = None

    async def who(self, versions: Mapping[SubjectId, int]) -> Answer:
        """See `store.who`; the answer may hold others, too. StoreUnavailable if there is none."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(versions, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await answer

    async def close(self) -> None:
        """Let go of the connection."""
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=_CLOSING_SECONDS)
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        waiting, self._waiting = self._waiting, []
        _refuse(waiting, StoreUnavailable("this process ends"))
        await self._let_go()

    async def _ask(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            versions: dict[SubjectId, int] = {}
            for one in asked:
                for each, version in one.versions.items():
                    versions[each] = min(version, versions.get(each, version))
            try:
                found = await self._found(versions)
            except BaseException as error:
                _refuse(asked, error)
                await self._let_go()
                if not isinstance(error, Exception):
                    raise
                continue
            for one in asked:
                if not one.answer.done():
                    one.answer.set_result(found)

    async def _found(self, versions: Mapping[SubjectId, int]) -> Answer:
        with translated():
            if self._session is None:
                self._session = await self._database.connect()
            return await store.who(self._session, versions)

    async def _let_go(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(OSError):
                await session.close()


def _refuse(asked: Sequence[_Asked], error: BaseException) -> None:
    for one in asked:
        if not one.answer.done():
            one.answer.set_exception(error)
