"""What an instance keeps in its data directory, and the servers it runs on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cdp.asking import ask
from cdp.errors import ConfigurationError
from cdp.services.postgres import Postgres
from cdp.services.server import Server, is_locked, secret_in
from cdp.services.valkey import Valkey
from cdp.settings import Settings

MASTER_KEY = "master.key"  # the file in the data directory


@dataclass(frozen=True, slots=True)
class Running:
    """Where the stores are, and the servers that are ours to guard."""

    database_url: str
    redis_url: str
    servers: tuple[Server, ...] = ()

    def environment(self) -> dict[str, str]:
        """What a child process needs to find them; said here, it stands in no file any more."""
        urls = {"CDP_DATABASE_URL": self.database_url, "CDP_REDIS_URL": self.redis_url}
        return urls | {f"{name}_FILE": "" for name in urls}


def master_keys(settings: Settings) -> list[bytes]:
    """From the environment, a command, or a file of mode 0600 in the data directory.

    While it is changed there are several, the newest first. Beside a database that was given none
    is invented: each data directory would have another one, and what was sealed by a container that
    is gone could not be read any more.
    """
    if settings.master_key:
        return _read(settings.master_key.split())
    if settings.master_key_command:
        return _read(ask(settings.master_key_command))
    path = settings.data_dir / MASTER_KEY
    if settings.database_url and not path.exists():
        raise ConfigurationError(
            "CDP_MASTER_KEY is not set: beside CDP_DATABASE_URL all processes need the same 64 hex "
            "digits, which `openssl rand -hex 32` makes once"
        )
    private_directory(settings.data_dir)
    return read_master_keys(path, secret_in(path))


def read_master_keys(path: Path, text: str) -> list[bytes]:
    """Those in a file; ConfigurationError if there are none, or anything else."""
    try:
        keys = _read(text.split())
    except ValueError:
        keys = []
    if not keys or any(len(key) != 32 for key in keys):
        raise ConfigurationError(f"{path} must hold 64 hexadecimal digits, as master.key does")
    return keys


def keeps_master_key(settings: Settings) -> bool:
    """Whether it is the data directory that has it."""
    return not (settings.master_key or settings.master_key_command)


def keep_master_keys(settings: Settings, keys: Iterable[bytes]) -> None:
    """Put these in the place of what the data directory has, the newest first."""
    write_private(settings.data_dir / MASTER_KEY, "".join(f"{key.hex()}\n" for key in keys))


def _read(keys: Iterable[str]) -> list[bytes]:
    return [bytes.fromhex(key) for key in keys]


@contextmanager
def services(settings: Settings) -> Iterator[Running]:
    """The stores, for as long as the block lasts: given, already running, or started here."""
    if settings.database_url and settings.redis_url:
        yield Running(settings.database_url, settings.redis_url)
        return
    private_directory(settings.data_dir)
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


def private_directory(path: Path) -> None:
    """Make a directory that only its owner may enter; one that is there stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(exist_ok=True, mode=0o700)


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read."""
    private_directory(path.parent)
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
