"""What docs, dashboard and alerts say that there is to be seen, each in its own words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parent.parent.parent
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "cdp.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
PAGE = ROOT / "docs" / "observing.md"
PROCESSES = ("api", "worker", "scheduler", "relay")

_ROW = re.compile(
    r"^\| `(cdp_\w+)` \| (counter|gauge|histogram) \|([\w, ]*)\| ([\w, ]+) \| .+ \|$", re.M
)
_NAME = re.compile(r"\b(?:cdp|process)_[a-z_]+\b")
_SELECTOR = re.compile(r"\b((?:cdp|process)_[a-z_]+)\{([^}]*)\}")
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


class Documented(NamedTuple):
    """A row of the page's table."""

    name: str
    kind: str
    labels: frozenset[str]
    processes: frozenset[str]

    @property
    def samples(self) -> set[str]:
        """The names that queries use."""
        return {self.name + suffix for suffix in _SUFFIXES[self.kind]}


def documented() -> list[Documented]:
    """The table of metrics."""
    rows = []
    for name, kind, labels, processes in _ROW.findall(PAGE.read_text()):
        from_ = PROCESSES if processes == "all" else processes.split(", ")
        by = frozenset(filter(None, labels.strip().split(", ")))
        rows.append(Documented(name, kind, by, frozenset(from_)))
    return rows


def families(text: str) -> dict[str, str]:
    """Name and kind of all of our own that a process exposes."""
    found = text_string_to_metric_families(text)
    return {each.name: each.type for each in found if each.name.startswith("cdp_")}


def panels() -> list[dict[str, Any]]:
    """Of the dashboard, in its order."""
    return list(json.loads(DASHBOARD.read_text())["panels"])


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return list(group["rules"])


def expressions() -> Iterator[tuple[str, str]]:
    """Every query of dashboard and alerts, and where it is."""
    for panel in panels():
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


def names(expression: str) -> set[str]:
    """The metrics that it asks for."""
    return set(_NAME.findall(expression))


def matchers(expression: str) -> Iterator[tuple[str, str]]:
    """Each metric with a label that it is picked by."""
    for name, inside in _SELECTOR.findall(expression):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside):
            yield name, label
