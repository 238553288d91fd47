"""The Faust app: one agent per stage, and a failure that nobody can mend ends the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import faust
import structlog
from faust.serializers import codecs

from cdp.db import Database
from cdp.stream.broker import Chunk, Topics
from cdp.stream.stage import Stage
from cdp.stream.watchdog import STALL_SECONDS, watch, watch_store

STOP_SECONDS = 3.0

log = structlog.get_logger(__name__)


class _AsIs(codecs.Codec):  # type: ignore[misc]
    """A chunk is handed over as the object it is."""

    def loads(self, s: Any) -> Any:
        return s

    def dumps(self, obj: Any) -> Any:
        return obj


codecs.register("chunk", _AsIs())


class _App(faust.App):  # type: ignore[misc]
    """Writes nothing to disk."""

    def _create_directories(self) -> None:
        """They are for tables, which we have none of."""


class Agents:
    """Runs stages as Faust agents until told to stop, or until one fails for good."""

    def __init__(
        self,
        topics: Topics,
        stages: Sequence[Stage],
        *,
        patience: float = STALL_SECONDS,
        store: Database | None = None,
    ) -> None:
        """`store` is what no partition may wait for; None where they go with its session."""
        self._patience = patience
        self._store = store
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._app = _App(
            topics.driver.group,
            broker=list(topics.driver.urls),
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            stream_wait_empty=False,
            stream_buffer_maxsize=64,
            topic_partitions=topics.partitions(stages[0].topic),
            autodiscover=False,
            **topics.driver.options,
        )
        self._app.transport.topics = topics
        self._app.transport.most = {stage.topic: stage.most for stage in stages}
        for stage in stages:
            self._attach(stage)

    def _attach(self, stage: Stage) -> None:
        topic = self._app.topic(stage.topic, key_serializer="raw", value_serializer="chunk")

        async def agent(chunks: AsyncIterator[Chunk]) -> None:
            async for chunk in chunks:
                try:
                    await stage.run(chunk)
                    self._app.consumer.handled(chunk)
                except Exception as error:  # noqa: BLE001 - handed on to `run`, which ends the worker
                    if not self._failed.done():
                        self._failed.set_exception(error)
                    await asyncio.Event().wait()  # never ack: Faust would go on with the next

        self._app.agent(topic, name=f"cdp.{stage.topic}")(agent)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Raises what an agent could not handle, Stalled, or CutOff."""
        stopping = asyncio.create_task(stop.wait())
        serving = asyncio.create_task(self._serve())
        ends: set[asyncio.Future[Any]] = {stopping, serving, self._failed}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in (self._failed, serving):
                if end.done():
                    end.result()
        finally:
            for task in (stopping, serving):
                task.cancel()
            await asyncio.gather(stopping, serving, return_exceptions=True)
            await self._stop()

    async def _serve(self) -> None:
        watches = [watch(self._app, self._patience)]
        if self._store is not None:
            watches.append(watch_store(self._store.must_answer))
        await asyncio.gather(self._app.start(), *watches)

    async def _stop(self) -> None:
        """Faust may wait for what does not move any more; the process ends all the same."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._app.stop()
        except TimeoutError:
            log.warning("stopped_without_a_word")
