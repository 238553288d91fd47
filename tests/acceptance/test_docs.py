"""Every example in README and docs does what the page says, on a platform of its own."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

import pytest

from tests.support.born import again
from tests.support.console import Example, Shell, examples
from tests.support.platform import Platform, running
from tests.support.stores import PLACE

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITTEN = "http://127.0.0.1:8000"  # where pages say that the platform is
BORN = {"README.md", "security.md"}  # here it starts for the first time; a later start takes up ids
_SECONDS = 60.0


def _page(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _promises(path: Path) -> bool:
    return any(examples(path.read_text()))


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
@pytest.mark.parametrize("path", [each for each in PAGES if _promises(each)], ids=_page)
def test_examples(path: Path, tmp_path: Path) -> None:
    found = examples(path.read_text())
    with (running if path.name in BORN else again)(tmp_path) as platform:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
        environment["CDP_JURISDICTION"] = PLACE
        environment |= {"CDP_DATA_DIR": str(tmp_path / "data"), "CDP_PORT": str(platform.port)}
        shell = Shell(ROOT, environment)
        try:
            for example in found:
                _holds(example, shell, platform, _page(path))
        finally:
            shell.close()


def _holds(example: Example, shell: Shell, platform: Platform, page: str) -> None:
    command = _here(example.command, platform)
    deadline = time.monotonic() + _SECONDS
    while True:
        code, printed = shell.run(command)
        printed = printed.replace(platform.url, WRITTEN)
        if code == 0 and example.is_answered_by(printed):
            return
        if not example.only_reads or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    pytest.fail(f"{page}:{example.line}: exit code {code}\n{command}\n{printed}")


def _here(command: str, platform: Platform) -> str:
    command = command.replace(WRITTEN, platform.url)
    if '"WRITE_KEY"' in command:
        command = command.replace('"WRITE_KEY"', f'"{platform.keys["write_key"]}"')
    return command


def test_pages_link_to_what_is_there() -> None:
    broken = [
        f"{_page(path)}: {target}"
        for path in PAGES
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)[^)]*\)", path.read_text())
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_setting_is_documented_as_it_is() -> None:
    from dataclasses import fields

    from cdp.settings import Settings

    page = (ROOT / "docs" / "operating.md").read_text()
    for spec in fields(Settings):
        default = spec.default if spec.default not in ("", None) else ""
        default = int(default) if isinstance(default, bool) else default
        told = f"`{default}`" if default != "" else ""
        row = f"| `CDP_{spec.name.upper()}` | {told} | {spec.metadata['doc']} |"
        assert row in page, row
