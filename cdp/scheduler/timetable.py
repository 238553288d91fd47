"""How often each job runs, and that one process runs them: whoever leads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from cdp import metrics
from cdp.errors import StoreUnavailable
from cdp.leading import leading
from cdp.locks import Lock
from cdp.scheduler.jobs import Jobs

Job: TypeAlias = Callable[[], Awaitable[None]]

_TICK = 0.25  # seconds; exits by time happen within it

log = structlog.get_logger(__name__)


def timetable(jobs: Jobs) -> dict[Job, float]:
    """Seconds from one time to the next; a job that takes longer is not run twice at once."""
    return {
        jobs.fire_timers: _TICK,
        jobs.retry_deliveries: _TICK,
        jobs.release_held: 1,
        jobs.wake_journeys: _TICK,
        jobs.begin_scheduled: 1,
        jobs.build: _TICK,
        jobs.carry_rules: 1,
        jobs.match: 1,
        jobs.chain_consent: 1,
        jobs.serve_people: _TICK,
        jobs.fit_models: 1,
        jobs.score_people: 1,
        jobs.sync: 1,
        jobs.trim: 5,
        jobs.expire: 60,
        jobs.expire_archives: 60,
        jobs.learn_hours: 3600,
        jobs.recall_models: 3600,
    }


async def keep(jobs: Jobs, stop: asyncio.Event) -> None:
    """Lead until told to stop, or until a job fails for good, which is raised."""
    async with leading(jobs.database, Lock.SCHEDULER, stop) as lead:
        if lead is None:
            return
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        scheduler = _scheduler(jobs, failed)
        scheduler.start()
        stopping = asyncio.create_task(stop.wait())
        try:
            ends: set[asyncio.Future[Any]] = {stopping, lead, failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            scheduler.shutdown(wait=False)
            stopping.cancel()
        if failed.done():
            failed.result()
        if lead.done() and not stop.is_set():
            lead.result()


def _scheduler(jobs: Jobs, failed: asyncio.Future[None]) -> AsyncIOScheduler:
    scheduler = AsyncIOScheduler(
        timezone="UTC",
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for job, seconds in timetable(jobs).items():
        metrics.job_failures.labels(_name(job))  # counts from nothing
        scheduler.add_job(_patient(job), "interval", seconds=seconds, id=_name(job))
    scheduler.modify_job(_name(jobs.recall_models), next_run_time=datetime.now(UTC))  # and at once

    def on_error(event: JobExecutionEvent) -> None:
        if not failed.done():
            failed.set_exception(event.exception)

    scheduler.add_listener(on_error, EVENT_JOB_ERROR)
    return scheduler


def _patient(job: Job) -> Job:
    """A store that is away for a moment is no failure: the job comes round again."""

    async def run() -> None:
        try:
            with metrics.timed(metrics.job_seconds.labels(_name(job))):
                await job()
        except StoreUnavailable as error:
            metrics.job_failures.labels(_name(job)).inc()
            log.warning("store_unavailable", job=_name(job), error=str(error))

    return run


def _name(job: Job) -> str:
    return job.__name__
