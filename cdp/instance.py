"""What an instance keeps in its data directory, and the servers it runs on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cdp.errors import ConfigurationError
from cdp.services.postgres import Postgres
from cdp.services.server import Server, is_locked, secret_in
from cdp.services.valkey import Valkey
from cdp.settings import Settings


@dataclass(frozen=True, slots=True)
class Running:
    """Where the stores are, and the servers that are ours to guard."""

    database_url: str
    redis_url: str
    servers: tuple[Server, ...] = ()

    def environment(self) -> dict[str, str]:
        """What a child process needs to find them."""
        return {"CDP_DATABASE_URL": self.database_url, "CDP_REDIS_URL": self.redis_url}


def master_key(settings: Settings) -> bytes:
    """From the environment, else from a file of mode 0600 in the data directory."""
    if settings.master_key:
        return bytes.fromhex(settings.master_key)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return bytes.fromhex(secret_in(settings.data_dir / "master.key"))


@contextmanager
def services(settings: Settings) -> Iterator[Running]:
    """The stores, for as long as the block lasts: given, already running, or started here."""
    if settings.database_url and settings.redis_url:
        yield Running(settings.database_url, settings.redis_url)
        return
    noted = settings.data_dir / "services.json"
    if is_locked(settings.data_dir / "postgres18") or is_locked(settings.data_dir / "valkey9"):
        yield _noted(noted, settings)
        return
    with ExitStack() as stack:
        servers: list[Server] = []
        urls = {"database": settings.database_url, "redis": settings.redis_url}
        if not settings.database_url:
            postgres = Postgres(settings.data_dir)
            stack.callback(postgres.close)
            urls["database"] = postgres.start().url
            servers.append(postgres)
        if not settings.redis_url:
            valkey = Valkey(settings.data_dir)
            stack.callback(valkey.close)
            urls["redis"] = valkey.start().url
            servers.append(valkey)
        write_private(noted, json.dumps(urls))
        stack.callback(noted.unlink, missing_ok=True)
        yield Running(urls["database"], urls["redis"], tuple(servers))


def _noted(path: Path, settings: Settings) -> Running:
    try:
        urls = json.loads(path.read_text())
    except (OSError, ValueError):
        raise ConfigurationError(
            f"{settings.data_dir} is in use, but {path.name} does not say how to reach its "
            "servers; wait until it has started, or stop it"
        ) from None
    return Running(urls["database"], urls["redis"])


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def read_keys(settings: Settings) -> dict[str, str] | None:
    """The first write key and API key, if they were minted here."""
    path = settings.data_dir / "keys.json"
    return dict(json.loads(path.read_text())) if path.exists() else None


def keep_keys(settings: Settings, write_key: str, api_key: str) -> None:
    """Keep the first keys where only their owner can read them; the database has hashes."""
    keys = {"write_key": write_key, "api_key": api_key}
    write_private(settings.data_dir / "keys.json", json.dumps(keys))
