"""Settings come from the environment, and what is wrong there is named with the way to mend it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from cdp.settings import Settings

KEY = "0123456789abcdefABCDEF" + "0" * 42


def test_without_a_word_everything_is_as_documented() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings.from_env({"CDP_PORT": "", "PORT": "1", "CDP_UNKNOWN": "x"}) == Settings()
    assert Settings().strict_keys is False
    assert all(spec.metadata.get("doc") for spec in dataclasses.fields(Settings))


def test_every_kind_of_value() -> None:
    environ = {
        "CDP_PORT": "0",
        "CDP_STRICT_KEYS": "TRUE",
        "CDP_DATA_DIR": "/var/lib/cdp",
        "CDP_SDK_DIR": "node_modules",
        "CDP_MASTER_KEY": KEY,
        "CDP_PUBLIC_URL": "https://cdp.example.com",
    }
    settings = Settings.from_env(environ)
    assert (settings.port, settings.strict_keys) == (0, True)
    assert settings.data_dir == Path("/var/lib/cdp")
    assert settings.sdk_dir == Path("node_modules")
    assert (settings.master_key, settings.public_url) == (KEY, "https://cdp.example.com")


def test_the_master_key_comes_from_one_place() -> None:
    command = {"CDP_MASTER_KEY_COMMAND": "vault kv get -field=key secret/cdp"}
    assert Settings.from_env(command).master_key_command == command["CDP_MASTER_KEY_COMMAND"]
    assert "vault" not in repr(Settings.from_env(command))
    with pytest.raises(ConfigurationError, match="CDP_MASTER_KEY_COMMAND are both set"):
        Settings.from_env(command | {"CDP_MASTER_KEY": KEY})
    both = f"{KEY}\n{KEY[::-1]}"
    assert Settings.from_env({"CDP_MASTER_KEY": both}).master_key.split() == [KEY, KEY[::-1]]


def test_a_settings_value_never_changes() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("PORT", "http", "whole number"),
        ("PORT", "-1", "whole number"),
        ("PORT", "1.5", "whole number"),
        ("STRICT_KEYS", "yes", "1 or 0"),
        ("PARTITIONS", "0", "at least 1"),
        ("PARTITIONS", "1025", "at most 1024"),
        ("WORKERS", "0", "at least 1"),
        ("CHUNK_EVENTS", "0", "at least 1"),
        ("LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("MASTER_KEY", "ab", "64 hexadecimal digits"),
        ("MASTER_KEY", "g" * 64, "64 hexadecimal digits"),
        ("MASTER_KEY", f"{KEY} ab", "the new one first"),
        ("RATE_PER_KEY", "many", "whole number"),
        ("OPEN_METRICS", "no", "1 or 0"),
    ],
)
def test_what_is_wrong_is_named_with_the_fix(name: str, value: str, fix: str) -> None:
    with pytest.raises(ConfigurationError, match=fix) as caught:
        Settings.from_env({f"CDP_{name}": value})
    assert f"CDP_{name}" in str(caught.value)


SECRETS = {
    "DATABASE_URL": "postgresql://cdp:s3cret@db.example.com/cdp",
    "REDIS_URL": "redis://:s3cret@cache.example.com:6379/0",
    "KAFKA_URL": "kafka://cdp:s3cret@kafka.example.com",
    "MASTER_KEY": KEY,
}


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_stand_in_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRETS[name] + "\n")
    settings = Settings.from_env({f"CDP_{name}_FILE": str(path)})
    assert getattr(settings, name.lower()) == SECRETS[name]
    with pytest.raises(ConfigurationError, match=f"CDP_{name} and CDP_{name}_FILE are both set"):
        Settings.from_env({f"CDP_{name}_FILE": str(path), f"CDP_{name}": SECRETS[name]})
    path.write_text("\n")
    with pytest.raises(ConfigurationError, match=f"CDP_{name}_FILE=.* is empty"):
        Settings.from_env({f"CDP_{name}_FILE": str(path)})
    with pytest.raises(ConfigurationError, match=f"CDP_{name}_FILE=.*No such file"):
        Settings.from_env({f"CDP_{name}_FILE": str(tmp_path / "none")})


def test_what_is_no_secret_is_not_looked_for_in_files(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("9000")
    assert Settings.from_env({"CDP_PORT_FILE": str(tmp_path / "port")}).port == Settings().port
    secret = {f.name.upper() for f in dataclasses.fields(Settings) if f.metadata.get("secret")}
    assert secret == set(SECRETS)


def test_no_secret_is_shown_with_the_settings() -> None:
    shown = repr(Settings.from_env({f"CDP_{name}": value for name, value in SECRETS.items()}))
    assert "data_dir" in shown
    assert "s3cret" not in shown
    assert KEY not in shown


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "mysql://cdp:s3cret@db/cdp"),
        ("DATABASE_URL", "postgresql://cdp:s3cret/x@db/cdp"),
        ("DATABASE_URL", "postgresql://cdp:s3cret@db:port/cdp"),
        ("DATABASE_URL", "s3cret"),
        ("REDIS_URL", "http://:s3cret@cache"),
        ("REDIS_URL", "redis://:s3cret/x@cache/0"),
        ("REDIS_URL", "redis://:s3cret@cache:port/0"),
        ("REDIS_URL", "redis://:s3cret@[cache/0"),
        ("KAFKA_URL", "kafka://cdp:s3cret/x@kafka:port"),
        ("KAFKA_URL", "kafka://cdp:s3cret@[kafka"),
        ("KAFKA_URL", "s3cret"),
    ],
)
def test_a_wrong_url_is_named_without_its_password(name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"CDP_{name}") as caught:
        Settings.from_env({f"CDP_{name}": url})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
