"""Corners of the one Kafka for tests that must not meet: each has a prefix of its own."""

from __future__ import annotations

import itertools

from cdp.cluster import Cluster
from tests.support.kafka import PASSWORD, USER, Kafka

_numbers = itertools.count()


def plain_url(kafka: Kafka) -> str:
    """A corner nobody else uses, as `CDP_KAFKA_URL` says it."""
    return f"kafka://{kafka.address}/test-{next(_numbers)}?replication=1"


def secured_url(kafka: Kafka, password: str = PASSWORD) -> str:
    """Likewise, over TLS and with a password."""
    server = f"127.0.0.1:{kafka.secure_port}"
    login = f"{USER}:{password.replace(' ', '%20')}"
    return f"kafka+ssl://{login}@{server}/test-{next(_numbers)}?ca={kafka.authority}"


def corner(kafka: Kafka) -> Cluster:
    """A corner nobody else uses."""
    return Cluster.of(plain_url(kafka))
