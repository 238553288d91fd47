"""Every setting the platform has, read from the environment here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from cdp.cluster import Cluster
from cdp.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Settings:
    """One immutable value; parts are handed the fields they need, not the whole."""

    data_dir: Path = field(default=Path(".cdp"), metadata={"doc": "embedded servers, keys, logs"})
    host: str = field(default="127.0.0.1", metadata={"doc": "address the API listens on"})
    port: int = field(default=8000, metadata={"doc": "port the API listens on; 0 picks a free one"})
    database_url: str = field(default="", metadata={"doc": "PostgreSQL; empty starts one"})
    redis_url: str = field(default="", metadata={"doc": "Redis or Valkey; empty starts one"})
    kafka_url: str = field(default="", metadata={"doc": "Kafka; empty reads the log in PostgreSQL"})
    master_key: str = field(
        default="", metadata={"doc": "64 hex digits; empty keeps one in the data directory"}
    )
    partitions: int = field(default=8, metadata={"doc": "log partitions, fixed at first start"})
    workers: int = field(default=1, metadata={"doc": "worker processes that `cdp up` runs"})
    chunk_events: int = field(default=1000, metadata={"doc": "records an agent takes at once"})
    linger_ms: int = field(default=2, metadata={"doc": "how long a group commit gathers requests"})
    max_pending: int = field(default=20_000, metadata={"doc": "events awaiting commit before 503"})
    commit_timeout: int = field(default=10, metadata={"doc": "seconds a request waits, then 503"})
    strict_keys: bool = field(default=False, metadata={"doc": "401 for unknown write keys"})
    trusted_proxies: str = field(
        default="", metadata={"doc": "comma-separated addresses whose X-Forwarded-For counts"}
    )
    public_url: str = field(default="", metadata={"doc": "URL that SDKs reach us at"})
    sdk_dir: Path | None = field(
        default=None, metadata={"doc": "node_modules with the browser SDKs to serve"}
    )
    log_level: str = field(default="info", metadata={"doc": "debug, info, warning or error"})

    @property
    def base_url(self) -> str:
        """Where the API answers, as seen from this machine."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `CDP_*`; raises ConfigurationError naming the variable and what it takes."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for spec in fields(cls):
            name = f"CDP_{spec.name.upper()}"
            raw = environ.get(name, "")
            if raw:
                values[spec.name] = _read(name, raw, str(spec.type))
        settings = cls(**values)
        _check(settings)
        return settings


def _read(name: str, raw: str, kind: str) -> Any:
    if kind == "int":
        if not raw.isdecimal():
            raise ConfigurationError(f"{name}={raw!r} must be a whole number")
        return int(raw)
    if kind == "bool":
        if raw.lower() not in {"1", "0", "true", "false"}:
            raise ConfigurationError(f"{name}={raw!r} must be 1 or 0")
        return raw.lower() in {"1", "true"}
    return Path(raw) if kind.startswith("Path") else raw


def _check(settings: Settings) -> None:
    for name in ("partitions", "workers", "chunk_events"):
        if getattr(settings, name) < 1:
            raise ConfigurationError(f"CDP_{name.upper()} must be at least 1")
    if settings.partitions > 1024:
        raise ConfigurationError("CDP_PARTITIONS must be at most 1024")
    if settings.log_level not in {"debug", "info", "warning", "error"}:
        raise ConfigurationError("CDP_LOG_LEVEL must be debug, info, warning or error")
    key = settings.master_key
    if key and (len(key) != 64 or not all(c in "0123456789abcdefABCDEF" for c in key)):
        raise ConfigurationError("CDP_MASTER_KEY must be 64 hexadecimal digits")
    if settings.kafka_url:
        Cluster.of(settings.kafka_url)
