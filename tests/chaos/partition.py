"""A host that is cut off: its worker from Kafka, its worker and its collector from PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from cdp.services.server import free_port
from tests.chaos.checker import check
from tests.chaos.extras import Extra
from tests.chaos.network import Network, laid
from tests.chaos.scenario import Report, Stage
from tests.chaos.world import World, world
from tests.support.kafka import Kafka
from tests.support.line import Line, line_to

SECONDS = 60
_BACK_SECONDS = 60
_JOINING = 15  # seconds until the far worker has its share


class TwoFacedKafka(Kafka):
    """Also known under an address of the far host's cable; it listens on loopback all the same."""

    far = ""  # address and port there
    far_port = 0  # on loopback

    def _plain(self) -> Sequence[str]:
        made = dict(line.split("=", 1) for line in super()._plain())
        made["listeners"] += f",FAR://127.0.0.1:{self.far_port}"
        made["advertised.listeners"] += f",FAR://{self.far}"
        made["listener.security.protocol.map"] += ",FAR:PLAINTEXT"
        return [f"{name}={value}" for name, value in made.items()]


class Far(NamedTuple):
    """The far host's processes."""

    worker: Extra
    api: Extra
    url: str


async def partition(stage: Stage) -> Report:
    """A host with a worker and a collector is cut from Kafka, then from PostgreSQL, 60 s each."""
    with laid() as network:
        async with AsyncExitStack() as stack:
            far_port = free_port()
            target = f"kafka://@127.0.0.1:{far_port}"
            line = await stack.enter_async_context(line_to(target, network.near("kafka")))
            TwoFacedKafka.far_port = far_port
            TwoFacedKafka.far = f"{network.near('kafka')}:{line.port}"
            made = await stack.enter_async_context(
                world(stage.home, stage.dice, with_kafka=True, kafka_kind=TwoFacedKafka)
            )
            far = await stack.enter_async_context(_far_host(made, network, line))
            return await _through(made, network, far)


@asynccontextmanager
async def _far_host(made: World, network: Network, kafka: Line) -> AsyncIterator[Far]:
    urls = json.loads((made.platform.home / "data/services.json").read_text())
    near = network.near("pg")
    async with line_to(urls["database"], near) as database, line_to(urls["redis"], near) as cache:
        port = free_port()
        environment = {
            "CDP_DATABASE_URL": database.url,
            "CDP_REDIS_URL": cache.url,
            "CDP_KAFKA_URL": f"kafka://{network.near('kafka')}:{kafka.port}?replication=1",
            "CDP_HOST": network.far("clients"),
            "CDP_PORT": str(port),
        }
        worker = made.extras.start("worker", inside=network.inside(), **environment)
        api = made.extras.start("api", inside=network.inside(), **environment)
        try:
            yield Far(worker, api, f"http://{network.far('clients')}:{port}")
        finally:
            for cable in ("pg", "kafka"):
                network.mend(cable)
            await made.extras.end()


async def _through(made: World, network: Network, far: Far) -> Report:
    near_load = made.load(people=200)
    far_load = made.load(people=200, prefix="far", urls=[far.url])
    loads = [near_load, far_load]
    sending = [asyncio.create_task(load.run()) for load in loads]
    await made.until_seen(near_load, 60)
    await made.until_seen(far_load, 60)
    await asyncio.sleep(_JOINING)
    for cable in ("kafka", "pg"):
        before = far_load.answers.copy()
        network.cut(cable)
        seen = await made.until_seen(near_load, SECONDS)
        made.note(f"{cable} is cut: what is sent to others is seen after {seen:.1f} s")
        await asyncio.sleep(max(0.0, SECONDS - seen))
        made.note(f"the far collector answered {dict(far_load.answers - before)}")
        network.mend(cable)
        back = await made.until_seen(far_load, _BACK_SECONDS)
        made.note(f"{cable} is mended: what is sent to the far host is seen after {back:.1f} s")
    for load in loads:
        load.stop()
    await asyncio.gather(*sending)
    await made.quiet()
    made.note(
        f"started again: the far worker {far.worker.ends}, its collector {far.api.ends} times"
    )
    return Report(await asyncio.to_thread(lambda: list(check(made, loads))), made.notes)
