"""What `CDP_KAFKA_URL` says: where a Kafka cluster is, who we are there, and how topics are kept.

    kafka://[user:password@]host[:port][,host[:port]…][/prefix][?option=value&…]

`kafka+ssl` instead of `kafka` speaks TLS; a user speaks SASL. Everything else is an option.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cdp.errors import ConfigurationError

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_OURS = "cdp"
_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,200}")
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")
_TEXT = {"ca", "cert", "key", "mechanism"}
_NUMBERS = {"replication", "retention_hours"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka cluster, and our corner of it: topics are `PREFIX.events` and so on."""

    servers: tuple[str, ...]
    prefix: str = _OURS
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    mechanism: str = "PLAIN"
    ca: str = ""  # file of the authorities to trust; the system's if empty
    cert: str = ""  # file of our own certificate, and of its key
    key: str = ""
    replication: int = -1  # copies of a topic; -1 is the cluster's own default
    retention_hours: int = 168

    @classmethod
    def of(cls, url: str) -> Cluster:
        """Read a URL; ConfigurationError says what is wrong with it, and never the password."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise _wrong("servers look like host:9092, with commas between them") from None
        if parts.scheme not in {"kafka", "kafka+ssl"}:
            raise _wrong("it must begin with kafka:// or kafka+ssl://")
        login, _, hosts = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        prefix = parts.path.strip("/") or _OURS
        if not _PREFIX.fullmatch(prefix):
            raise _wrong("the prefix of the topics takes letters, digits, '.', '_' and '-'")
        made = cls(
            servers=tuple(_server(host) for host in hosts.split(",")),
            prefix=prefix,
            tls=parts.scheme == "kafka+ssl",
            user=unquote(user),
            password=unquote(password),
            **_options(parts.query),
        )
        if (made.ca or made.cert or made.key) and not made.tls:
            raise _wrong("ca, cert and key need kafka+ssl://")
        if bool(made.cert) != bool(made.key):
            raise _wrong("cert and key come together")
        return made

    def name(self, topic: str) -> str:
        """What a topic of ours is called there."""
        return f"{self.prefix}.{topic}"


def _server(host: str) -> str:
    match = _SERVER.fullmatch(host)
    if match is None:
        raise _wrong("servers look like host:9092, with commas between them")
    return f"{match[1]}:{match[2] or 9092}"


def _options(query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _TEXT and value:
            found[name] = value
        elif name in _NUMBERS and value.isdecimal() and int(value) > 0:
            found[name] = int(value)
        else:
            known = ", ".join(sorted(_TEXT | _NUMBERS))
            raise _wrong(f"option {name!r} is unknown or has no fit value; there are {known}")
    if found.get("mechanism", MECHANISMS[0]) not in MECHANISMS:
        raise _wrong(f"mechanism must be one of {', '.join(MECHANISMS)}")
    return found


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"CDP_KAFKA_URL: {what}")
