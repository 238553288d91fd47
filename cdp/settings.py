"""Every setting the platform has, read from the environment here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cdp.cluster import Cluster
from cdp.errors import ConfigurationError


def secret(doc: str) -> Any:
    """A setting that is never shown, and may stand in the file that `CDP_…_FILE` names."""
    return field(default="", repr=False, metadata={"doc": doc, "secret": True})


@dataclass(frozen=True, slots=True)
class Settings:
    """One immutable value; parts are handed the fields they need, not the whole."""

    data_dir: Path = field(default=Path(".cdp"), metadata={"doc": "embedded servers, keys, logs"})
    host: str = field(default="127.0.0.1", metadata={"doc": "address the API listens on"})
    port: int = field(default=8000, metadata={"doc": "port the API listens on; 0 picks a free one"})
    database_url: str = secret("PostgreSQL; empty starts one")
    redis_url: str = secret("Redis or Valkey; empty starts one")
    kafka_url: str = secret("Kafka; empty reads the log in PostgreSQL")
    master_key: str = secret("64 hex digits; empty keeps one in the data directory")
    master_key_command: str = field(
        default="", repr=False, metadata={"doc": "prints the master key, as a KMS gives it out"}
    )
    partitions: int = field(default=8, metadata={"doc": "log partitions, fixed at first start"})
    apis: int = field(default=1, metadata={"doc": "API processes that `cdp up` runs, on one port"})
    workers: int = field(default=1, metadata={"doc": "worker processes that `cdp up` runs"})
    chunk_events: int = field(default=1000, metadata={"doc": "records an agent takes at once"})
    linger_ms: int = field(default=2, metadata={"doc": "how long a group commit gathers requests"})
    max_pending: int = field(default=20_000, metadata={"doc": "events awaiting commit before 503"})
    commit_timeout: int = field(default=10, metadata={"doc": "seconds a request waits, then 503"})
    max_pending_mb: int = field(default=64, metadata={"doc": "bodies in work before 503, in MiB"})
    spill_mb: int = field(
        default=0, metadata={"doc": "MiB of local disk for events while the store is away; 0: 503"}
    )
    jurisdiction: str = field(
        default="",
        metadata={"doc": "whose law holds where nothing tells it: DE, US-CA or strictest"},
    )
    strict_keys: bool = field(default=False, metadata={"doc": "401 for unknown write keys"})
    rate_per_key: int = field(
        default=0, metadata={"doc": "events or requests of a key in a second; 0: any number"}
    )
    rate_per_address: int = field(
        default=0, metadata={"doc": "events from an address in a second; 0: any number"}
    )
    rate_failures: int = field(
        default=60, metadata={"doc": "unknown API keys from an address in a minute; 0: any number"}
    )
    open_metrics: bool = field(
        default=True, metadata={"doc": "0: `/metrics` takes an API key with `metrics:read`"}
    )
    audit_reads: bool = field(default=True, metadata={"doc": "note who reads a person's data"})
    private_webhooks: bool = field(
        default=True, metadata={"doc": "0: webhooks reach public addresses only"}
    )
    trusted_proxies: str = field(
        default="", metadata={"doc": "comma-separated addresses whose X-Forwarded-For counts"}
    )
    public_url: str = field(default="", metadata={"doc": "URL that SDKs reach us at"})
    controller: str = field(
        default="", metadata={"doc": "who answers for the data, as receipts name them"}
    )
    controller_address: str = field(default="", metadata={"doc": "their postal address"})
    controller_contact: str = field(
        default="", metadata={"doc": "where people write to: an e-mail address or a URL"}
    )
    storage_location: str = field(
        default="", metadata={"doc": "where the data lies, as receipts tell it: EU, Frankfurt"}
    )
    sdk_dir: Path | None = field(
        default=None, metadata={"doc": "node_modules with the browser SDKs to serve"}
    )
    metrics_port: int = field(
        default=0, metadata={"doc": "port for /metrics and /health/live of every process; 0: none"}
    )
    traces: bool = field(
        default=False, metadata={"doc": "send OpenTelemetry traces, as `OTEL_*` variables say"}
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
            if spec.metadata.get("secret"):
                raw = _secret(name, raw, environ.get(f"{name}_FILE", ""))
            if raw:
                values[spec.name] = _read(name, raw, str(spec.type))
        settings = cls(**values)
        _check(settings)
        return settings


def _secret(name: str, raw: str, path: str) -> str:
    """From the variable, or from the file that another one names."""
    if not path:
        return raw
    if raw:
        raise ConfigurationError(f"{name} and {name}_FILE are both set: set one of them")
    try:
        found = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}_FILE={path!r} cannot be read: {error}") from None
    if not found:
        raise ConfigurationError(f"{name}_FILE={path!r} is empty")
    return found


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
    for name in ("partitions", "apis", "workers", "chunk_events", "max_pending_mb"):
        if getattr(settings, name) < 1:
            raise ConfigurationError(f"CDP_{name.upper()} must be at least 1")
    if settings.partitions > 1024:
        raise ConfigurationError("CDP_PARTITIONS must be at most 1024")
    if settings.log_level not in {"debug", "info", "warning", "error"}:
        raise ConfigurationError("CDP_LOG_LEVEL must be debug, info, warning or error")
    if settings.master_key and settings.master_key_command:
        raise ConfigurationError(
            "CDP_MASTER_KEY and CDP_MASTER_KEY_COMMAND are both set: set one of them"
        )
    for key in settings.master_key.split():
        if len(key) != 64 or not all(c in "0123456789abcdefABCDEF" for c in key):
            raise ConfigurationError(
                "CDP_MASTER_KEY must be 64 hexadecimal digits, or two keys of as many, the new one "
                "first, while it is changed"
            )
    _check_url("CDP_DATABASE_URL", settings.database_url, ("postgresql", "postgres"))
    _check_url("CDP_REDIS_URL", settings.redis_url, ("redis", "rediss", "unix"))
    if settings.kafka_url:
        Cluster.of(settings.kafka_url)


def _check_url(name: str, url: str, schemes: tuple[str, ...]) -> None:
    """Says what is wrong without saying the URL, which has a password in it."""
    if not url:
        return
    try:
        scheme, port = urlsplit(url).scheme.split("+")[0], urlsplit(url).port
    except ValueError:
        scheme, port = schemes[0], 0
    if scheme not in schemes:
        raise ConfigurationError(f"{name} must begin with {schemes[0]}://")
    if port == 0:
        raise ConfigurationError(
            f"{name} must be like {schemes[0]}://user:password@host:port/name; "
            "in a password write / as %2F, @ as %40, : as %3A, # as %23 and ? as %3F"
        )
