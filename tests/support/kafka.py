"""A real Apache Kafka for tests: one KRaft node on loopback, from Maven Central's jars."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from cdp.services.server import Server, free_port
from tests.support.certificates import authority_and_server

USER, PASSWORD = "cdp", "kept between tests"
_POM = Path(__file__).parents[1] / "kafka" / "pom.xml"
_COPY = ("-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", "-DincludeScope=runtime")
_DOWNLOAD_SECONDS = 600
_OLDEST_JAVA = 17
_AWAY = re.compile(r"Could not (transfer|resolve)|Unknown host|Network is unreachable|timed out")
_API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff")  # the first word of any client
_HEAP = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC")


class Kafka(Server):
    """A broker that is its own controller; topics only as somebody declares them."""

    def __init__(self, home: Path, jars: Path) -> None:
        super().__init__("Kafka", home / "kafka", stop_signal=signal.SIGTERM)
        self._jars = jars
        self._controller = self.secure_port = 0
        self.authority = self.home / "authority.pem"

    @property
    def address(self) -> str:
        """Where clients without a name connect."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Format the storage on first use, then serve; a restart keeps its ports and topics."""
        properties = self.home / "server.properties"
        if not self.port:
            self.port, self._controller, self.secure_port = (free_port() for _ in range(3))
            properties.write_text("\n".join([*self._plain(), *self._secured()]))
            self._format(properties)
        command = ["java", *_HEAP, "-cp", f"{self._jars}/*", "kafka.Kafka", str(properties)]
        self.spawn(command, self._answers)
        return self

    def _format(self, properties: Path) -> None:
        cluster = "MkU3OEVBNTcwNTJENDM2Qg"
        tool = ["java", "-cp", f"{self._jars}/*", "kafka.tools.StorageTool"]
        arguments = ["format", "-t", cluster, "-c", str(properties)]
        subprocess.run([*tool, *arguments], check=True, capture_output=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(_API_VERSIONS)
                return bool(connection.recv(4))
        except OSError:
            return False

    def _plain(self) -> Sequence[str]:
        here = "127.0.0.1"
        listeners = f"PLAINTEXT://{here}:{self.port},SECURE://{here}:{self.secure_port}"
        return [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@{here}:{self._controller}",
            f"listeners={listeners},CONTROLLER://{here}:{self._controller}",
            f"advertised.listeners={listeners}",
            "listener.security.protocol.map="
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL",
            "controller.listener.names=CONTROLLER",
            "inter.broker.listener.name=PLAINTEXT",
            f"log.dirs={self.home / 'data'}",
            "auto.create.topics.enable=false",
            "offsets.topic.num.partitions=1",
            "offsets.topic.replication.factor=1",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "group.initial.rebalance.delay.ms=0",
            "log.retention.check.interval.ms=1000",
            "log.initial.task.delay.ms=100",
        ]

    def _secured(self) -> Sequence[str]:
        """A listener with TLS and a password, for the settings of secured clusters."""
        authority, chain = authority_and_server()
        self.authority.write_bytes(authority)
        store = self.home / "server.pem"
        store.touch(mode=0o600)
        store.write_bytes(chain)
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        return [
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={store}",
            "sasl.enabled.mechanisms=PLAIN",
            f'listener.name.secure.plain.sasl.jaas.config={login} user_{USER}="{PASSWORD}";',
        ]


def jars() -> Path:
    """The jars, downloaded once per user; skips where they cannot be had."""
    _need_java()
    digest = hashlib.sha256(_POM.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cdp-tests"
    cache.mkdir(parents=True, exist_ok=True)
    found = cache / f"kafka-{digest}"
    with (cache / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes want the same
        if not found.exists():
            _download(found)
    return found


def _need_java() -> None:
    if shutil.which("java") is None:
        pytest.skip("no java on this machine, which Apache Kafka runs on")
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        pytest.skip(f"Apache Kafka needs Java {_OLDEST_JAVA} or newer; here is {told[:40]!r}")


def _download(to: Path) -> None:
    if shutil.which("mvn") is None:
        pytest.skip("no mvn on this machine, which fetches Apache Kafka")
    draft = to.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    done = subprocess.run(
        ["mvn", *_COPY, f"-DoutputDirectory={draft}"],
        capture_output=True,
        text=True,
        timeout=_DOWNLOAD_SECONDS,
        check=False,
    )
    if done.returncode and _AWAY.search(done.stdout):
        pytest.skip("no Maven Central to fetch Apache Kafka from")
    assert done.returncode == 0, done.stdout
    draft.rename(to)
