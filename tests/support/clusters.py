"""Corners of the one Kafka for tests that must not meet: each has a prefix of its own."""

from __future__ import annotations

import itertools

from cdp.cluster import Cluster
from tests.support.kafka import PASSWORD, SCRAM, USER, Kafka

_numbers = itertools.count()


def plain_url(kafka: Kafka) -> str:
    """A corner nobody else uses, as `CDP_KAFKA_URL` says it."""
    return f"kafka://{kafka.address}/test-{next(_numbers)}?replication=1"


def secured_url(kafka: Kafka, password: str = PASSWORD, mechanism: str = "PLAIN") -> str:
    """Likewise, over TLS and with a password."""
    server = f"127.0.0.1:{kafka.node.secure}"
    login = f"{USER}:{password.replace(' ', '%20')}"
    options = f"ca={kafka.authority}&mechanism={mechanism}"
    return f"kafka+ssl://{login}@{server}/test-{next(_numbers)}?{options}"


def mutual_url(kafka: Kafka) -> str:
    """Likewise, over TLS and with a certificate of our own."""
    options = f"ca={kafka.authority}&cert={kafka.client}&key={kafka.client_key}"
    return f"kafka+ssl://127.0.0.1:{kafka.node.mutual}/test-{next(_numbers)}?{options}"


def secured_urls(kafka: Kafka) -> dict[str, str]:
    """Every way to a cluster that does not let everybody in."""
    passwords = {name: secured_url(kafka, mechanism=name) for name in ("PLAIN", *SCRAM)}
    return passwords | {"certificate": mutual_url(kafka)}


def corner(kafka: Kafka) -> Cluster:
    """A corner nobody else uses."""
    return Cluster.of(plain_url(kafka))
