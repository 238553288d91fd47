"""docker-compose.yml as Docker Compose reads it, as far as ours goes: anchors and variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
OURS = ("migrate", "api", "worker", "scheduler", "relay")
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")


def services(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Every service; KeyError with the name of a variable that has to be set and is not."""
    return dict(_filled_in(yaml.safe_load(FILE.read_text())["services"], variables))


def _filled_in(written: Any, variables: Mapping[str, str]) -> Any:
    def value(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        if variables.get(name):
            return variables[name]
        if kind == ":-":
            return str(default)
        raise KeyError(name)

    match written:
        case str():
            return _VARIABLE.sub(value, written)
        case dict():
            return {key: _filled_in(each, variables) for key, each in written.items()}
        case list():
            return [_filled_in(each, variables) for each in written]
    return written
