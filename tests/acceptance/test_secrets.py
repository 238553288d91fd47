"""Secrets stay where they belong: not in process lists, answers or logs, and in private files."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cdp.instance import services
from cdp.settings import Settings
from tests.support.alone import Alone
from tests.support.platform import Platform, command_line
from tests.support.stores import MASTER_KEY, Stores


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def secrets_of(data: Path) -> dict[str, str]:
    """Every secret of an instance, by what it is."""
    urls = json.loads((data / "services.json").read_text())
    passwords = {name: str(urlsplit(url).password) for name, url in urls.items()}
    kept = json.loads((data / "keys.json").read_text())
    return passwords | kept | {"master": (data / "master.key").read_text()}


def test_nothing_of_them_is_told_to_anybody(platform: Platform) -> None:
    secrets = secrets_of(platform.home / "data")
    assert len(secrets) == 5
    assert all(len(secret) > 20 for secret in secrets.values())
    commands = [command_line(each) for each in platform.processes()]
    assert len(commands) > 5
    told = [
        *commands,
        *(platform.get(path).text for path in ("/metrics", "/openapi.json", "/docs")),
    ]
    told += [platform.call("GET", "/nothing").text, platform.command("status", "--json")]
    told.append((platform.home / "data" / "postgres18" / "server.log").read_text())
    told.append((platform.home / "data" / "valkey9" / "server.log").read_text())
    for name, secret in secrets.items():
        assert not [each[:80] for each in told if secret in each], name
        if name not in {"write_key", "api_key"}:  # which the first lines show to who started it
            assert secret not in (platform.home / "platform.log").read_text()


def test_files_with_secrets_are_their_owners_alone(platform: Platform) -> None:
    data = platform.home / "data"
    assert mode(data) == 0o700
    for name in ("keys.json", "master.key", "services.json"):
        assert mode(data / name) == 0o600
    for server in ("postgres18", "valkey9"):
        assert mode(data / server) == 0o700
        assert mode(data / server / "password") == 0o600
    assert mode(data / "valkey9" / "valkey.conf") == 0o600


def test_the_first_to_make_the_directory_makes_it_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with services(Settings(data_dir=tmp_path / "a" / "b")):
            assert mode(tmp_path / "a" / "b") == 0o700
    finally:
        os.umask(before)


def test_docker_secrets_are_enough_to_run(stores: Stores, tmp_path: Path) -> None:
    """`cdp api` takes its database, its cache and the master key from files."""
    running = stores.fresh()
    values = {
        "CDP_DATABASE_URL": running.database_url,
        "CDP_REDIS_URL": running.redis_url,
        "CDP_MASTER_KEY": MASTER_KEY,
    }
    files: dict[str, str] = {}
    for name, value in values.items():
        (tmp_path / name).write_text(value + "\n")
        files[f"{name}_FILE"] = str(tmp_path / name)
    environment = files | dict.fromkeys(values, "")
    with Alone.migrated(tmp_path / "data", environment) as alone, alone.api() as url:
        assert url.startswith("http://127.0.0.1:")
        assert not (tmp_path / "data" / "master.key").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"CDP_DATABASE_URL": "postgresql://cdp:s3cret@127.0.0.1:1/cdp"},
        {"CDP_DATABASE_URL": "postgresql://cdp:s3cret/@127.0.0.1/cdp"},
        {"CDP_DATABASE_URL": "mysql://cdp:s3cret@127.0.0.1/cdp"},
        {"CDP_REDIS_URL": "redis://:s3cret/@127.0.0.1"},
    ],
)
def test_an_error_about_a_url_does_not_say_its_password(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
    environment |= {
        "CDP_DATA_DIR": str(tmp_path),
        "CDP_DATABASE_URL": "postgresql://127.0.0.1:1/cdp",
        "CDP_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cdp", "api"],
        env=environment | wrong,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(("cdp: ", '{"error": '))
    assert "s3cret" not in done.stdout + done.stderr
