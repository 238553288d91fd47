"""Topics on a real cluster: made as declared, with and without TLS, and never quietly different."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from cdp.cluster import Cluster
from cdp.errors import ConfigurationError, KafkaRefused, KafkaUnavailable
from cdp.services.server import free_port
from cdp.stream.kafka import topics
from cdp.stream.kafka.topics import Declared
from tests.support.clusters import corner, mutual_url, secured_url, secured_urls
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


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "certificate"])
async def test_a_secured_cluster_lets_us_in(kafka: Kafka, way: str) -> None:
    cluster = Cluster.of(secured_urls(kafka)[way])
    assert len(await topics.declare(cluster, topics.declared(cluster, 1))) == 3


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_wrong_password_ends_the_waiting(
    kafka: Kafka, mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "_REFUSALS", 1)
    wrong = Cluster.of(secured_url(kafka, "guessed", mechanism))
    with pytest.raises(ConfigurationError, match=f"does not let 'cdp' by {mechanism} in") as caught:
        async with asyncio.timeout(30):
            await topics.until_declared(wrong, 1, asyncio.Event())
    assert "guessed" not in str(caught.value)


async def test_who_is_not_trusted_or_does_not_trust_is_told_why(kafka: Kafka) -> None:
    server, client = (Cluster.of(url(kafka)) for url in (secured_url, mutual_url))
    cases = {
        "is not trusted: .*`ca`": dataclasses.replace(server, ca=""),
        "a certificate of ours": dataclasses.replace(client, cert="", key=""),
        "'nobody' by PLAIN": dataclasses.replace(server, user="nobody"),
        "'cdp' by PLAIN": dataclasses.replace(
            server, servers=(kafka.address,), tls=False, ca=""
        ),  # there is no login at that port
    }
    for told, cluster in cases.items():
        with pytest.raises(KafkaRefused, match=told):
            await topics.declare(cluster, topics.declared(cluster, 1))
    with pytest.raises(ConfigurationError, match="ca, cert or key"):
        topics.connection(dataclasses.replace(server, ca="/no/such.pem"))


async def test_a_cluster_that_is_away_is_waited_for() -> None:
    stop = asyncio.Event()
    away = Cluster((f"127.0.0.1:{free_port()}",))
    waiting = asyncio.create_task(topics.until_declared(away, 1, stop))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    stop.set()
    assert await waiting is False
    with pytest.raises(KafkaUnavailable, match="no answer from 127"):
        await topics.declare(away, topics.declared(away, 1))
