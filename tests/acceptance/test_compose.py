"""What docker-compose.yml says, run without Docker: each command line with its environment."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from cdp.services.server import free_port
from tests.support import kafka_jars
from tests.support.compose import OURS, services
from tests.support.kafka import Kafka
from tests.support.parts import Part
from tests.support.stores import MASTER_KEY, Stores


class ComposedKafka(Kafka):
    """A broker with the properties of the compose file, as its image makes them of variables."""

    def __init__(self, home: Path, jars: Path, variables: Mapping[str, str]) -> None:
        super().__init__(home, jars)
        self._variables = variables

    def _plain(self) -> Sequence[str]:
        here = {
            "kafka:9093": f"127.0.0.1:{self.node.controller}",
            "kafka:9092": self.address,
            "//:9093": f"//127.0.0.1:{self.node.controller}",
            "//:9092": f"//{self.address}",
            "/var/lib/kafka/data": str(self.home / "data"),
        }
        properties = {
            name.removeprefix("KAFKA_").lower().replace("_", "."): replaced(value, here)
            for name, value in self._variables.items()
            if name != "KAFKA_HEAP_OPTS"
        }
        return [f"{name}={value}" for name, value in properties.items()]

    def _secured(self) -> Sequence[str]:
        return ()

    def _mutual(self) -> Sequence[str]:
        return ()


def replaced(text: str, words: Mapping[str, str]) -> str:
    for word, other in words.items():
        text = text.replace(word, other)
    return text


class Composed:
    """The services that are ours, over servers that stand for the others."""

    def __init__(self, home: Path, stores: Stores, kafka: Kafka, variables: dict[str, str]) -> None:
        self.home = home
        self.services = services(variables)
        self.parts: list[Part] = []
        self._names = {
            "postgres:5432": f"127.0.0.1:{stores.postgres.port}",
            "redis://valkey:6379/0": stores.valkey.url,
            "kafka:9092": kafka.address,
        }
        self.api = free_port()

    def environment(self, name: str) -> dict[str, str]:
        """As the service has it, with ports of its own on this machine."""
        given = self.services[name]["environment"]
        found = {key: replaced(value, self._names) for key, value in given.items()}
        image = {"CDP_DATA_DIR": "/proc/nowhere", "CDP_HOST": "127.0.0.1"}
        ports = {"CDP_PORT": str(self.api), "CDP_METRICS_PORT": str(free_port())}
        return image | found | ports

    def start(self, name: str) -> Part:
        """One container of a service."""
        part = Part(self.home, self.services[name]["command"], self.environment(name))
        self.parts.append(part)
        return part

    def check(self, name: str, part: Part) -> list[str]:
        """Its health check, but for `cdp` in front."""
        kind, cdp, *arguments = self.services[name]["healthcheck"]["test"]
        assert (kind, cdp) == ("CMD", "cdp")
        return [
            each.replace(":9100", f":{part.environment['CDP_METRICS_PORT']}") for each in arguments
        ]


@pytest.fixture
def composed(tmp_path: Path, stores: Stores) -> Iterator[Composed]:
    with psycopg.connect(stores.postgres.url, autocommit=True) as connection:
        connection.execute("create database cdp")
    variables = {"POSTGRES_PASSWORD": stores.password, "CDP_MASTER_KEY": MASTER_KEY}
    variables |= {"GRAFANA_PASSWORD": "unused"}
    declared: dict[str, Any] = services(variables)["kafka"]["environment"]
    kafka = ComposedKafka(tmp_path, kafka_jars.jars(), declared)
    made = Composed(tmp_path, stores, kafka, variables)
    try:
        kafka.start()
        yield made
    finally:
        for part in made.parts:
            part.kill()
        kafka.close()
        with psycopg.connect(stores.postgres.url, autocommit=True) as connection:
            connection.execute("drop database cdp with (force)")


def test_every_service_is_well_and_an_event_becomes_a_profile(composed: Composed) -> None:
    assert composed.start("migrate").run() == 0
    started = [
        (name, composed.start(name))
        for name in OURS
        if name != "migrate"
        for _ in range(composed.services[name]["deploy"].get("replicas", 1))
    ]
    assert [name for name, _ in started] == ["api", "worker", "worker", "scheduler", "relay"]
    for name, part in started:
        part.until_well(composed.check(name, part))
    write, operator = (key(started[0][1], *more) for more in ((), ("--api",)))
    with httpx.Client(base_url=f"http://127.0.0.1:{composed.api}", trust_env=False) as client:
        yes = {"consent": {"categoryPreferences": {"Analytics": True}}}
        call = {"userId": "ada", "event": "Order Completed", "context": yes}
        client.post("/v1/track", json=call, auth=(write, "")).raise_for_status()
        headers = {"authorization": f"Bearer {operator}"}
        for _ in range(1000):
            time.sleep(0.05)
            answer = client.get("/api/v1/profiles/user_id:ada", headers=headers)
            if answer.status_code == 200:
                break
            assert answer.status_code == 404, answer.text
            for _, part in started:
                assert part.process.poll() is None, part.log()
    assert answer.json()["events"] == {"Order Completed": 1}
    for _, part in started:
        part.end()


def key(api: Part, *arguments: str) -> str:
    """As `docker compose run --rm api keys create` makes one."""
    done = subprocess.run(
        [*api.cdp, "keys", "create", "first", *arguments],
        env=api.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
