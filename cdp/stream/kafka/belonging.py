"""Makes sure that a topic on Kafka is this log's: the newest record there must be the log's own."""

from __future__ import annotations

from collections.abc import Mapping

from faust.types import TP

from cdp.cluster import Cluster
from cdp.db import Connection
from cdp.errors import ConfigurationError
from cdp.log import store
from cdp.log.store import Record
from cdp.stream import checkpoints


async def must_be_ours(
    connection: Connection, cluster: Cluster, newest: Mapping[TP, Record]
) -> None:
    """ConfigurationError if Kafka is ahead of the log, or has something else where the log has it.

    What is trimmed from the outbox cannot be compared, and every agent has handled it.
    """
    heads = await checkpoints.heads(connection)
    for topic in {tp.topic for tp in newest}:
        found = {tp.partition: each for tp, each in newest.items() if tp.topic == topic}
        offsets = {partition: record.offset for partition, record in found.items()}
        kept = await store.read(connection, topic, offsets, 1)
        for partition, record in found.items():
            ours = next(iter(kept.get(partition, [])), None)
            ahead = record.offset >= heads[TP(topic, partition)]
            if ahead or (ours and ours.offset == record.offset and _named(ours) != _named(record)):
                raise ConfigurationError(
                    f"the Kafka topic {cluster.name(topic)} is not this log's: it is of another "
                    "platform, or the database an older copy; set another prefix in CDP_KAFKA_URL"
                )


def _named(record: Record) -> tuple[bytes, bytes]:
    return record.key, record.id or record.value
