"""A command gives out the master key; what goes wrong is told without telling what it printed."""

from __future__ import annotations

import base64
import shlex
import sys
import time
from pathlib import Path

import pytest

from cdp import asking
from cdp.asking import ask
from cdp.errors import ConfigurationError
from cdp.instance import master_keys
from cdp.settings import Settings

KEY, OLD = "0a" * 32, "0b" * 32


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_it_prints_the_key_in_hexadecimal_or_base64() -> None:
    encoded = base64.b64encode(bytes.fromhex(OLD)).decode()
    assert ask(python(f"print({KEY!r})")) == (KEY,)
    assert ask(python(f"print({encoded!r})")) == (OLD,)
    assert ask(python(f"print({KEY!r}); print({encoded!r})")) == (KEY, OLD)
    settings = Settings(master_key_command=python(f"print({KEY!r}, {OLD!r})"))
    assert master_keys(settings) == [bytes.fromhex(KEY), bytes.fromhex(OLD)]


def test_it_is_asked_once_and_no_shell_reads_it(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    code = f"open({str(asked)!r}, 'a').write('x'); print({KEY!r})"
    for _ in range(3):
        assert ask(python(code) + " ';' rm '$HOME' '|' cat") == (KEY,)
    assert asked.read_text() == "x"


@pytest.mark.parametrize(
    ("command", "fix"),
    [
        (python(f"import sys; print({KEY!r}); sys.exit('s3cret')"), "ended with exit code 1"),
        (python("print('s3cret')"), "must print 64 hexadecimal digits, or 32 bytes in base64"),
        (python(f"print({KEY!r}, 's3cret')"), "and nothing else"),
        (python("'s3cret'"), "must print 64"),
        (python("print('g3' * 32, 's3cret')"), "must print 64"),
        ("/nowhere/kms s3cret", "cannot be run: No such file or directory"),
        ("kms 's3cret", "cannot be read: No closing quotation"),
        ("''  s3cret", "must name a command"),
    ],
)
def test_what_goes_wrong_is_told_without_what_it_printed(command: str, fix: str) -> None:
    with pytest.raises(ConfigurationError, match=fix) as caught:
        ask(command)
    assert "CDP_MASTER_KEY_COMMAND" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_it_must_not_wait_for_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match="did not end within"):
        ask(python("import time; time.sleep(60)"))
    assert time.monotonic() - began < 10
    monkeypatch.undo()
    assert ask(python(f"input() if False else print({KEY!r})")) == (KEY,)
    with pytest.raises(ConfigurationError, match="exit code 1"):  # nobody is there to answer
        ask(python("input()"))
