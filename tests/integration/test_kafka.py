"""Against a real Apache Kafka: what the settings, the relay and the agents make of it."""

from __future__ import annotations

from tests.support.kafka import Kafka


def test_the_broker_of_these_tests_serves_with_and_without_tls(kafka: Kafka) -> None:
    assert kafka.alive()
    assert kafka.trusted()
