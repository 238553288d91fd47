"""Drives the pipeline without Faust: chunk by chunk, until nothing is left to do."""

from __future__ import annotations

import asyncio

from cdp.assembly import Core
from cdp.clockwork import jobs
from cdp.db import named
from cdp.events import DELIVERIES
from cdp.log import store
from cdp.main import stages
from cdp.pipeline import Pipeline
from cdp.stream.broker import Chunk
from cdp.stream.stage import Stage

_POSITIONS = named("select partition, next_offset from checkpoints where topic = :topic")


class Driver:
    """The three agents and the scheduler's jobs, on demand."""

    def __init__(self, core: Core, pipeline: Pipeline) -> None:
        self.core = core
        self.pipeline = pipeline
        self.stages = stages(core, pipeline, most=500)
        self.jobs = jobs(core)

    async def step(self, stage: Stage, limit: int = 500) -> int:
        """Hand one chunk to one stage; returns how many records it had.

        Who cancels it has a worker die, with what it is sending.
        """
        async with self.core.database.transaction() as connection:
            rows = await connection.execute(_POSITIONS, {"topic": stage.topic})
            positions = {row[0]: row[1] for row in rows}
            if stage.topic == DELIVERIES:  # as many at once as a worker would take
                limit = min(limit, 2 * stage.most // stage.partitions)
            parts = await store.read(connection, stage.topic, positions, limit)
        if not parts:
            return 0
        chunk = Chunk(stage.topic, parts)
        try:
            await stage.run(chunk)
            if stage.topic == DELIVERIES:
                await self.pipeline.sends.idle()
        except asyncio.CancelledError:
            await self.pipeline.sends.abandon()
            raise
        return len(chunk)

    async def settle(self, limit: int = 500) -> None:
        """Until every topic is drained and every build is done."""
        busy = True
        while busy:
            busy = False
            for stage in self.stages:
                while await self.step(stage, limit):
                    busy = True
            await self.jobs.fire_timers()
            await self.jobs.wake_journeys()
            busy |= await self.jobs.scheduling.step()
            busy |= await self.jobs.builder.step()
            busy |= await self.jobs.rules.step()
            busy |= await self.jobs.matching.step()
            busy |= await self.jobs.chaining.step()
            busy |= await self.jobs.privacy.step()
            busy |= await self.jobs.learning.step()
            busy |= await self.jobs.scoring.step()
            busy |= await self.jobs.syncing.step()
            busy |= await self.jobs.refreshing.step()
            for stage in self.stages:
                busy |= bool(await self.step(stage, limit))
