"""Asks a command for the master key: the way to a key management system, whichever it is."""

from __future__ import annotations

import base64
import binascii
import shlex
import subprocess
from functools import cache

from cdp.errors import ConfigurationError

SETTING = "CDP_MASTER_KEY_COMMAND"
_SECONDS = 30.0


@cache  # a process asks once: each question may cost a second, and money
def ask(command: str) -> tuple[str, ...]:
    """The keys that the command prints, in hexadecimal.

    It runs without a shell. Nothing that it prints is ever shown: it may be a part of a key.
    """
    words = _words(command)
    said = f"{SETTING} ({words[0]} …)"
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except OSError as error:
        raise ConfigurationError(f"{said} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"{said} did not end within {_SECONDS:g} seconds: it must not wait for anybody"
        ) from None
    if done.returncode:
        raise ConfigurationError(
            f"{said} ended with exit code {done.returncode}: run it by hand, as the user that cdp "
            "runs as, to see why"
        )
    keys = tuple(_key(word) for word in done.stdout.split())
    if not keys or not all(keys):
        raise ConfigurationError(
            f"{said} must print 64 hexadecimal digits, or 32 bytes in base64, and nothing else"
        )
    return keys


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigurationError(f"{SETTING} cannot be read: {error}") from None
    if not words or not words[0]:
        raise ConfigurationError(f"{SETTING} must name a command")
    return words


def _key(word: bytes) -> str:
    """In hexadecimal; empty if it is no key."""
    try:
        raw = (
            bytes.fromhex(word.decode()) if len(word) == 64 else base64.b64decode(word, None, True)
        )
    except (ValueError, binascii.Error):
        return ""
    return raw.hex() if len(raw) == 32 else ""
