"""The topics as we want them on a cluster, and how a client connects to it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from cdp.cluster import Cluster
from cdp.errors import ConfigurationError, KafkaRefused, KafkaUnavailable, StoreUnavailable
from cdp.events import DELIVERIES, EVENTS, TOUCHED
from cdp.stopping import unless_stopped
from cdp.stream.kafka.refusal import reason_of

_HOUR = 3_600_000  # milliseconds
_RETRY_SECONDS = 1.0
_REFUSALS = 10  # in a row: a server that has just started may not know its users yet
_LONGEST_INTERNAL = 24  # hours: what lies on an internal topic matters until it is handled

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Declared:
    """A topic as it is to be. Records are facts in order: no topic of ours is compacted, since
    what a newer record of a key replaces may not have been handled yet.
    """

    name: str
    partitions: int
    retention_hours: int
    cleanup: Literal["delete", "compact", "compact,delete"] = "delete"

    def config(self) -> dict[str, str]:
        """As the broker wants to be told."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_hours * _HOUR),
        }


def declared(cluster: Cluster, partitions: int) -> list[Declared]:
    """Every topic has the log's partitions: a record keeps its partition's number."""
    kept = {EVENTS: cluster.retention_hours}
    kept |= dict.fromkeys((TOUCHED, DELIVERIES), min(cluster.retention_hours, _LONGEST_INTERNAL))
    return [Declared(cluster.name(topic), partitions, hours) for topic, hours in kept.items()]


async def declare(cluster: Cluster, topics: list[Declared]) -> list[str]:
    """Make what is missing; returns its names. ConfigurationError if one is there, but different.

    What an operator has set on a topic since (its retention, say) is left alone.
    """
    async with _admin(cluster) as admin:
        found = await admin.describe_topics([topic.name for topic in topics])
        counts = {each["topic"]: len(each["partitions"]) for each in found}
        for topic in topics:
            if counts[topic.name] not in {0, topic.partitions}:
                raise ConfigurationError(
                    f"the Kafka topic {topic.name} has {counts[topic.name]} partitions and the log "
                    f"has {topic.partitions}: set another prefix in CDP_KAFKA_URL"
                )
        missing = [topic for topic in topics if not counts[topic.name]]
        await _create(admin, missing, cluster.replication)
        return [topic.name for topic in missing]


async def until_declared(cluster: Cluster, partitions: int, stop: asyncio.Event) -> bool:
    """Declare every topic, however long the cluster is away; False if told to stop meanwhile.

    ConfigurationError if the cluster answers, and keeps refusing us.
    """
    refusing = 0
    while not stop.is_set():
        try:
            wanted = declared(cluster, partitions)
            created = await unless_stopped(stop, declare(cluster, wanted))
        except StoreUnavailable as error:
            refusing = refusing + 1 if isinstance(error, KafkaRefused) else 0
            if refusing > _REFUSALS:
                raise ConfigurationError(str(error)) from error
            log.warning("no_kafka_yet", error=str(error))
            await unless_stopped(stop, asyncio.sleep(_RETRY_SECONDS))
        else:
            if created == []:
                return True
            log.info("topics_created", topics=created)  # look again until they are to be seen
    return False


async def _create(admin: AIOKafkaAdminClient, topics: list[Declared], replication: int) -> None:
    if not topics:
        return
    replicas: dict[int, list[int]] | None = {} if replication < 0 else None
    wanted = [
        NewTopic(topic.name, topic.partitions, replication, replicas, topic.config())
        for topic in topics
    ]
    answer = await admin.create_topics(wanted)
    for name, code, *reason in answer.topic_errors:
        if code not in {0, TopicAlreadyExistsError.errno}:  # another process may have been faster
            error = for_code(code)
            if error.retriable:
                raise KafkaUnavailable(f"Kafka: {error.__name__}")
            raise ConfigurationError(f"Kafka does not create {name}: {error.__name__} {reason}")


@contextlib.asynccontextmanager
async def _admin(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    options = connection(cluster)
    admin = AIOKafkaAdminClient(**options, request_timeout_ms=10_000)
    with translated():
        try:
            try:
                await admin.start()
            except KafkaConnectionError as error:
                raise await reason_of(cluster, options) from error
            yield admin
        finally:
            await admin.close()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what Kafka's client raises into KafkaUnavailable: its errors pass, or end a worker."""
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise KafkaUnavailable(f"Kafka: {type(error).__name__}") from error


def connection(cluster: Cluster) -> dict[str, Any]:
    """What every client of ours is made with."""
    options: dict[str, Any] = {"bootstrap_servers": list(cluster.servers)}
    options["security_protocol"] = _protocol(cluster)
    if cluster.tls:
        options["ssl_context"] = tls(cluster)
    if cluster.user:
        options["sasl_mechanism"] = cluster.mechanism
        options["sasl_plain_username"] = cluster.user
        options["sasl_plain_password"] = cluster.password
    return options


def tls(cluster: Cluster) -> ssl.SSLContext:
    """Verifies the servers' names; ConfigurationError if a file of ours does not do."""
    try:
        context = ssl.create_default_context(cafile=cluster.ca or None)
        if cluster.cert:
            context.load_cert_chain(cluster.cert, cluster.key)
    except OSError as error:
        raise ConfigurationError(f"CDP_KAFKA_URL: ca, cert or key: {error}") from None
    return context


def _protocol(cluster: Cluster) -> str:
    secured = "SSL" if cluster.tls else "PLAINTEXT"
    return f"SASL_{secured}" if cluster.user else secured
