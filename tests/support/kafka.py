"""A real Apache Kafka for tests, on loopback: one KRaft node, or several that form a cluster."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cdp.services.server import Server, free_port
from tests.support.certificates import certificates

USER, PASSWORD = "cdp", "kept between tests"
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff")  # the first word of any client
_HEAP = ("-Xms192m", "-Xmx384m", "-XX:+UseSerialGC")
_START_SECONDS = 60.0
_HERE = "127.0.0.1"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True, slots=True)
class Node:
    """One of a cluster's nodes, each of which is broker and controller."""

    number: int
    port: int
    controller: int
    secure: int  # TLS and a password
    mutual: int  # TLS on both sides

    @classmethod
    def new(cls, number: int) -> Node:
        """On ports that nobody uses right now."""
        return cls(number, *(free_port() for _ in range(4)))


class Kafka(Server):
    """A node; topics only as somebody declares them."""

    def __init__(self, home: Path, jars: Path, nodes: Sequence[Node] = ()) -> None:
        """The first of `nodes` is this one, the others are its peers."""
        self.node, *peers = nodes or [Node.new(1)]
        self._peers = peers
        name = f"kafka{self.node.number}"
        super().__init__("Kafka", home / name, stop_signal=signal.SIGTERM)
        self._jars = jars
        self.authority = self.home / "authority.pem"
        self.client = self.home / "client.pem"
        self.client_key = self.home / "client.key"

    @property
    def address(self) -> str:
        """Where clients without a name connect."""
        return f"{_HERE}:{self.node.port}"

    def start(self) -> Self:
        """Serve; a restart keeps its ports and topics."""
        self._serve(self._answers)
        return self

    def begin(self) -> None:
        """Start without waiting: no node of a cluster answers before most of them are there."""
        self._serve(lambda: True)

    def until_ready(self) -> None:
        """After `begin`."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self.alive(), (self.home / "server.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "Kafka does not answer"
            time.sleep(0.05)

    def _serve(self, ready: Callable[[], bool]) -> None:
        """Format the storage on first use."""
        properties = self.home / "server.properties"
        if not properties.exists():
            properties.write_text("\n".join([*self._plain(), *self._secured(), *self._mutual()]))
            self._format(properties)
        command = ["java", *_HEAP, "-cp", f"{self._jars}/*", "kafka.Kafka", str(properties)]
        self.spawn(command, ready)

    def kill(self) -> None:
        """As a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _format(self, properties: Path) -> None:
        cluster = "MkU3OEVBNTcwNTJENDM2Qg"
        tool = ["java", "-cp", f"{self._jars}/*", "kafka.tools.StorageTool"]
        arguments = ["format", "-t", cluster, "-c", str(properties)]
        for mechanism in SCRAM:
            arguments += ["-S", f'{mechanism}=[name="{USER}",password="{PASSWORD}"]']
        subprocess.run([*tool, *arguments], check=True, capture_output=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((_HERE, self.node.port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(_API_VERSIONS)
                return bool(connection.recv(4))
        except OSError:
            return False

    def _plain(self) -> Sequence[str]:
        node, everybody = self.node, [self.node, *self._peers]
        voters = ",".join(f"{each.number}@{_HERE}:{each.controller}" for each in everybody)
        ports = {"PLAINTEXT": node.port, "SECURE": node.secure, "MUTUAL": node.mutual}
        listeners = ",".join(f"{name}://{_HERE}:{port}" for name, port in ports.items())
        copies = len(everybody)
        return [
            "process.roles=broker,controller",
            f"node.id={node.number}",
            f"controller.quorum.voters={voters}",
            f"listeners={listeners},CONTROLLER://{_HERE}:{node.controller}",
            f"advertised.listeners={listeners}",
            "listener.security.protocol.map="
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL",
            "controller.listener.names=CONTROLLER",
            "inter.broker.listener.name=PLAINTEXT",
            f"log.dirs={self.home / 'data'}",
            "auto.create.topics.enable=false",
            f"default.replication.factor={copies}",
            f"min.insync.replicas={min(copies, 2)}",
            "offsets.topic.num.partitions=1",
            f"offsets.topic.replication.factor={copies}",
            f"transaction.state.log.replication.factor={copies}",
            "transaction.state.log.min.isr=1",
            "broker.session.timeout.ms=3000",
            "broker.heartbeat.interval.ms=500",
            "group.initial.rebalance.delay.ms=0",
            "log.retention.check.interval.ms=1000",
            "log.initial.task.delay.ms=100",
        ]

    def _secured(self) -> Sequence[str]:
        """A listener with TLS and a password, by any of the mechanisms."""
        made = certificates()
        self.authority.write_bytes(made.authority)
        self.client.write_bytes(made.client)
        store = self.home / "server.pem"
        for path, content in ((store, made.server), (self.client_key, made.client_key)):
            path.touch(mode=0o600)
            path.write_bytes(content)
        listener = "listener.name.secure"
        return [
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={store}",
            f"sasl.enabled.mechanisms={','.join(('PLAIN', *SCRAM))}",
            f'{listener}.plain.sasl.jaas.config={_PLAIN} user_{USER}="{PASSWORD}";',
            *(f"{listener}.{each.lower()}.sasl.jaas.config={_SCRAM}" for each in SCRAM),
        ]

    def _mutual(self) -> Sequence[str]:
        """A listener that wants a certificate of its clients."""
        return [
            "listener.name.mutual.ssl.client.auth=required",
            "listener.name.mutual.ssl.truststore.type=PEM",
            f"listener.name.mutual.ssl.truststore.location={self.authority}",
        ]


@contextmanager
def cluster_of(count: int, home: Path, jars: Path) -> Iterator[list[Kafka]]:
    """Several nodes, each of which has a copy of everything; two copies make a write."""
    nodes = [Node.new(number + 1) for number in range(count)]
    with ExitStack() as stack:
        made = []
        for at in range(count):
            made.append(Kafka(home, jars, nodes[at:] + nodes[:at]))
            stack.callback(made[-1].close)
            stack.callback(made[-1].kill)  # the last ones would wait for the first in vain
            made[-1].begin()
        for each in made:
            each.until_ready()
        yield made
