"""Topics on a real cluster: made as declared, with and without TLS, and never quietly different."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from cdp.cluster import Cluster
from cdp.errors import ConfigurationError, StoreUnavailable
from cdp.services.server import free_port
from cdp.stream.kafka import topics
from cdp.stream.kafka.topics import Declared
from tests.support.clusters import corner, secured_url
from tests.support.kafka import Kafka


async def config_of(cluster: Cluster, name: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(**topics.connection(cluster))
    await admin.start()
    try:
        topic = ConfigResource(ConfigResourceType.TOPIC, name)
        async with asyncio.timeout(20):
            while True:
                (answer,) = await admin.describe_configs([topic])
                (resource,) = answer.resources
                if resource[0] == 0:  # it may take a moment until it is known everywhere
                    return {each[0]: each[1] for each in resource[4]}
                await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def test_topics_are_made_as_declared(kafka: Kafka) -> None:
    cluster = dataclasses.replace(corner(kafka), retention_hours=48)
    wanted = topics.declared(cluster, 3)
    assert await topics.declare(cluster, wanted) == [topic.name for topic in wanted]
    assert await topics.declare(cluster, wanted) == []
    events = await config_of(cluster, cluster.name("events"))
    assert (events["cleanup.policy"], events["retention.ms"]) == ("delete", str(48 * 3_600_000))
    touched = await config_of(cluster, cluster.name("touched"))
    assert touched["retention.ms"] == str(24 * 3_600_000)


async def test_compaction_is_declared_likewise(kafka: Kafka) -> None:
    cluster = corner(kafka)
    newest = Declared(cluster.name("newest"), 1, 1, cleanup="compact")
    await topics.declare(cluster, [newest])
    assert (await config_of(cluster, newest.name))["cleanup.policy"] == "compact"


async def test_a_topic_with_other_partitions_is_refused(kafka: Kafka) -> None:
    cluster = corner(kafka)
    await topics.declare(cluster, topics.declared(cluster, 3))
    with pytest.raises(ConfigurationError, match="has 3 partitions and the log has 4"):
        await topics.declare(cluster, topics.declared(cluster, 4))


async def test_a_secured_cluster_takes_the_right_password_only(kafka: Kafka) -> None:
    cluster = Cluster.of(secured_url(kafka))
    assert len(await topics.declare(cluster, topics.declared(cluster, 1))) == 3
    with pytest.raises(StoreUnavailable):
        wrong = Cluster.of(secured_url(kafka, "guessed"))
        await topics.declare(wrong, topics.declared(wrong, 1))
    with pytest.raises(StoreUnavailable):  # the system's authorities do not know this server
        unknown = dataclasses.replace(cluster, ca="")
        await topics.declare(unknown, topics.declared(unknown, 1))
    with pytest.raises(ConfigurationError, match="ca, cert or key"):
        topics.connection(dataclasses.replace(cluster, ca="/no/such.pem"))


async def test_a_cluster_that_is_away_is_waited_for() -> None:
    stop = asyncio.Event()
    away = Cluster((f"127.0.0.1:{free_port()}",))
    waiting = asyncio.create_task(topics.until_declared(away, 1, stop))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    stop.set()
    assert await waiting is False
