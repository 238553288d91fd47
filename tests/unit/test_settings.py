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
    ],
)
def test_what_is_wrong_is_named_with_the_fix(name: str, value: str, fix: str) -> None:
    with pytest.raises(ConfigurationError, match=fix) as caught:
        Settings.from_env({f"CDP_{name}": value})
    assert f"CDP_{name}" in str(caught.value)
