"""What the gates of consent cost: the same traffic with them and without them, turn by turn.

Without them means that this process's gates say yes without asking: what an event says of consent
is not heard, nobody's standing is looked up, and nothing waits for a withdrawal. Collector, agents
and database do the rest as ever, and garbage is collected as in the platform's own processes.
Counted is processor time, of this process and of PostgreSQL.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import psutil
import structlog

from bench.figures import SEGMENTS
from bench.measure import Figure
from bench.shop import messages
from cdp import pipeline, withdrawing
from cdp.people import People
from cdp.processes import tune
from consent import stage
from consent.gate import CollectionGate
from consent.purposes import DEFAULT_PURPOSES
from consent.standing import Standing
from tests.support.instances import Api, api_on, instance_on
from tests.support.stores import Stores, started

EVENTS, WARM, BATCH, PEOPLE, TURNS = 20_000, 5_000, 100, 4_000, 5
DENYING = 10  # of how many people one denies marketing with every event
_CHUNK = 500
_YES = {each.key: Standing("granted", None) for each in DEFAULT_PURPOSES}
_NAMES = {each.key: each.meant_by for each in DEFAULT_PURPOSES}


def gates() -> list[Figure]:
    """Of traffic without a word of consent, and of traffic whose every event is stamped."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as home, started(Path(home)) as stores:
        return [_figure(stores, Path(home), stamped=stamped) for stamped in (False, True)]


def _figure(stores: Stores, home: Path, *, stamped: bool) -> Figure:
    server = psutil.Process(stores.postgres.pid)
    turns = [
        [asyncio.run(_turn(stores, home, server, stamped, gated)) for gated in (True, False)]
        for _ in range(TURNS)
    ]
    with_, without = (statistics.median(turn[at] for turn in turns) for at in (0, 1))
    share = statistics.median(gated / bare for gated, bare in turns) - 1
    kind = "every event stamped" if stamped else "no stamps"
    return Figure(
        f"what the gates cost, {kind}",
        share * 100,
        "% more processor time",
        "≤ 10",
        share <= 0.1,
        f"{without:,.0f} us an event without them, {with_:,.0f} with",
        notes={"turn by turn": [[round(each) for each in turn] for turn in turns]},
    )


async def _turn(
    stores: Stores, home: Path, server: psutil.Process, stamped: bool, gated: bool
) -> float:
    """Microseconds of processor time per event, from the request to the last membership."""
    data = Path(tempfile.mkdtemp(dir=home))
    with nullcontext() if gated else open_gates():
        async with instance_on(stores.fresh(), data) as instance, api_on(instance) as api:
            for key, where in SEGMENTS.items():
                await api.put(f"/segments/{key}", {"name": key, "where": where})
            await api.settle()
            stream = bodies(stamped)
            await handled(api, itertools.islice(stream, WARM // BATCH))
            tune()
            before = spent(server)
            await handled(api, itertools.islice(stream, EVENTS // BATCH))
            return (spent(server) - before) / EVENTS * 1e6


async def handled(api: Api, requests: Iterator[bytes]) -> None:
    """Collect these requests, and let the agents finish with them."""
    for body in requests:
        headers = {"x-write-key": api.instance.keys["write_key"]}
        answer = await api.client.post("/v1/batch", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
    driver = api.instance.driver
    for each in driver.stages:
        while await driver.step(each, _CHUNK):
            pass


def bodies(stamped: bool) -> Iterator[bytes]:
    """The shop's traffic; stamped as a banner does it, with one person in ten who denies."""
    stream = messages(PEOPLE)
    while True:
        batch = list(itertools.islice(stream, BATCH))
        for each in batch if stamped else ():
            told = {"analytics": True, "marketing_email": _agrees(each["anonymousId"])}
            each["context"] = each["context"] | {"consent": {"categoryPreferences": told}}
        yield msgspec.json.encode({"batch": batch})


def _agrees(device: str) -> bool:
    return int(device.split("-")[1]) % DENYING != 0


def spent(server: psutil.Process) -> float:
    """Seconds of processor time so far, of this process and of PostgreSQL's, also those ended."""
    own = psutil.Process().cpu_times()
    family = [each.cpu_times() for each in (server, *server.children(recursive=True))]
    ended = sum(each.children_user + each.children_system for each in family)
    return own.user + own.system + ended + sum(each.user + each.system for each in family)


@contextmanager
def open_gates() -> Iterator[None]:
    """No gate asks anybody for as long as the block lasts."""

    async def stands(
        _: People, __: object, people: Mapping[bytes, object], *___: object
    ) -> dict[bytes, Mapping[str, Standing]]:
        return dict.fromkeys(people, _YES)

    async def nothing(*_: object, **__: object) -> None:
        return

    async def names(_: object) -> Mapping[str, frozenset[str]]:
        return _NAMES

    def unheard(_: Sequence[object]) -> tuple[str, ...]:
        return ()

    replaced: list[tuple[Any, str, Any]] = [
        (CollectionGate, "by_law", lambda *_: True),
        (CollectionGate, "passed", lambda _, event, *__: event),
        (stage.Heard, "hear", lambda *_: None),
        (pipeline, "denied", unheard),
        (People, "stands", stands),
        (stage, "signals", names),
        (stage, "open_collection", nothing),
        (withdrawing.Withdrawals, "__call__", nothing),
    ]
    with ExitStack() as stack:
        for owner, name, instead in replaced:
            stack.enter_context(mock.patch.object(owner, name, instead))
        yield
