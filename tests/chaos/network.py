"""Hosts as network namespaces, with a cable for each pair of things that talk; cables can be cut.

    host "far" ══pg══ PostgreSQL, Valkey     ══kafka══ Kafka     ══clients══ senders

Each cable is a pair of virtual interfaces whose near end hangs on a bridge. Cutting it takes the
end off the bridge: frames vanish, and neither side is told.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

CABLES = ("pg", "kafka", "clients")


@dataclass
class Network:
    """A host far away, and the cables to it. Names carry our process id, so runs do not meet."""

    number: int = field(default_factory=os.getpid)

    @property
    def namespace(self) -> str:
        """The far host."""
        return f"cdp-far-{self.number}"

    def near(self, cable: str) -> str:
        """The address at this end of a cable."""
        return f"10.231.{CABLES.index(cable)}.1"

    def far(self, cable: str) -> str:
        """The address at the far end."""
        return f"10.231.{CABLES.index(cable)}.2"

    def inside(self, *command: str) -> list[str]:
        """A command as it is run on the far host."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def cut(self, cable: str) -> None:
        """From now on nothing comes through, and nobody is told."""
        _ip("link", "set", self._end(cable, "p"), "nomaster")

    def mend(self, cable: str) -> None:
        """All is as before."""
        _ip("link", "set", self._end(cable, "p"), "master", self._end(cable, "b"))

    def _end(self, cable: str, kind: str) -> str:
        return f"{kind}{CABLES.index(cable)}-{self.number}"

    def lay(self) -> None:
        """Make the host and all cables."""
        _ip("netns", "add", self.namespace)
        _ip("-n", self.namespace, "link", "set", "lo", "up")
        for cable in CABLES:
            bridge, port, far = (self._end(cable, kind) for kind in "bpf")
            _ip("link", "add", bridge, "type", "bridge")
            _ip("address", "add", f"{self.near(cable)}/24", "dev", bridge)
            _ip("link", "add", port, "type", "veth", "peer", "name", far)
            _ip("link", "set", far, "netns", self.namespace)
            _ip("-n", self.namespace, "address", "add", f"{self.far(cable)}/24", "dev", far)
            _ip("-n", self.namespace, "link", "set", far, "up")
            _ip("link", "set", bridge, "up")
            _ip("link", "set", port, "up")
            self.mend(cable)

    def remove(self) -> None:
        """Nothing is left of it."""
        subprocess.run(["ip", "netns", "delete", self.namespace], check=False, capture_output=True)
        for cable in CABLES:
            for kind in "pb":
                link = ["ip", "link", "delete", self._end(cable, kind)]
                subprocess.run(link, check=False, capture_output=True)


@contextmanager
def laid() -> Iterator[Network]:
    """A network for as long as the block lasts; skips where there can be none."""
    network = Network()
    try:
        try:
            network.lay()
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield network
    finally:
        network.remove()


def _ip(*arguments: str) -> Sequence[str]:
    done = subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()
