"""The files that deploy the platform are what their formats, and our own rules, say."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cdp.settings import Settings
from tests.support.compose import FILE, OURS, ROOT, services

VARIABLES = {"CDP_MASTER_KEY": "ab" * 32, "POSTGRES_PASSWORD": "p", "GRAFANA_PASSWORD": "g"}
SETTINGS = {f"CDP_{spec.name.upper()}" for spec in fields(Settings)}


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_the_dockerfile_is_clean() -> None:
    done = subprocess.run(
        [tool("hadolint"), "--failure-threshold=info", "Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_has_every_package_and_nothing_else() -> None:
    packages = set(pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    copied = {
        words[1]
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if (words := line.split())[:1] == ["COPY"] and words[1] == words[-1]
    }
    assert copied == packages
    let_in = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    locks = {"requirements.lock", "requirements-dev.lock"}
    assert let_in == packages | locks | {"LICENSE", "README.md", "pyproject.toml"}


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_compose_keeps_to_the_specification() -> None:
    schema = importlib.metadata.distribution("check-jsonschema").locate_file(
        "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
    )
    composed = yaml.safe_load(FILE.read_text())
    jsonschema.validate(composed, json.loads(Path(str(schema)).read_text()))
    assert "version" not in composed
    assert composed["networks"]["stores"]["internal"]


def test_compose_asks_for_every_secret() -> None:
    for name in VARIABLES:
        with pytest.raises(KeyError, match=name):
            services({key: value for key, value in VARIABLES.items() if key != name})


@pytest.mark.parametrize("name", OURS)
def test_our_services_may_do_little(name: str) -> None:
    service = services(VARIABLES)[name]
    assert service["read_only"]
    assert service["user"] == "10001:10001"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    ours = {name for name in service["environment"] if not name.startswith("OTEL_")}
    assert ours <= SETTINGS


def test_compose_opens_ports_to_this_machine_only_and_pins_images() -> None:
    for name, service in services(VARIABLES).items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        tag = service["image"].partition(":")[2]
        assert tag and "latest" not in tag, name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name


def test_what_compose_mounts_is_there() -> None:
    for name, service in services(VARIABLES).items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or any((ROOT / source).iterdir()), name


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")
def test_systemd_units(tmp_path: Path) -> None:
    for unit in (ROOT / "deploy" / "systemd").glob("*.service"):
        text = unit.read_text().replace("/opt/cdp/bin/cdp", tool("cdp"))
        (tmp_path / unit.name).write_text(text)
    units = sorted(tmp_path.glob("*.service"))
    assert len(units) == 3
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
