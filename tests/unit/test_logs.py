"""Logs are lines of JSON, and keep to themselves what exceptions and libraries quote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SECRET = "ada@example.com"
SCRIPT = f"""
import asyncio, logging, threading
import structlog
from cdp import logs
from cdp.errors import StoreUnavailable

logs.configure("info", "worker")
log = structlog.get_logger("ours")
log.debug("too quiet")
log.info("counted", records=3)


def fail():
    value = {SECRET!r}
    raise ValueError(value)


try:
    fail()
except ValueError as error:
    log.exception("failed")
    logging.getLogger("some.library").exception("it broke: %r", error)
    try:
        raise StoreUnavailable("OperationalError 57P01") from error
    except StoreUnavailable:
        log.exception("away")
logging.getLogger("some.library").warning("cannot reach %s", {SECRET!r})
logging.getLogger("some.library").error(ValueError({SECRET!r}))
logging.getLogger("uvicorn.error").error(OSError(98, "in use"))
logging.getLogger("some.library").info("too quiet")


async def forgotten():
    task = asyncio.ensure_future(asyncio.sleep(0))
    await task
    failing = asyncio.ensure_future(raising())
    await asyncio.sleep(0)
    del failing


async def raising():
    fail()


asyncio.run(forgotten())
thread = threading.Thread(target=fail)
thread.start()
thread.join()
structlog.contextvars.bind_contextvars(trace_id="0af7")
log.warning("in a trace")
fail()
"""


def lines() -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert SECRET not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_what_goes_wrong_is_told_without_what_it_quotes() -> None:
    told = lines()
    assert [line["event"] for line in told] == [
        "counted",
        "failed",
        "it broke: %r",
        "away",
        "cannot reach %s",
        "ValueError",
        "OSError: [Errno 98] in use",
        "Task exception was never retrieved",
        "died",
        "in a trace",
        "died",
    ]
    assert {line["process"] for line in told} == {"worker"}
    assert len({line["pid"] for line in told}) == 1
    assert all(line["level"] and line["timestamp"] for line in told)
    by_event = {line["event"]: line for line in told}
    assert by_event["counted"]["records"] == 3
    assert by_event["in a trace"]["trace_id"] == "0af7"
    failed = by_event["failed"]["exception"]
    assert failed.endswith("ValueError")
    assert "in fail" in failed
    away = by_event["away"]["exception"]
    assert "StoreUnavailable: OperationalError 57P01\nwhich came of\n" in away
    for event in ("it broke: %r", "Task exception was never retrieved", "died"):
        assert "in fail" in by_event[event]["exception"]
    assert by_event["cannot reach %s"]["logger"] == "some.library"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_no_reason_to_end() -> None:
    say = "import structlog; from cdp import logs; logs.configure('info', 'api')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                f"{say}; structlog.get_logger().error('lost'); print('went on')",
            ],
            stdout=subprocess.PIPE,
            stderr=full,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, b"went on\n")
