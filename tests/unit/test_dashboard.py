"""Dashboard and alerts are well-formed, and ask only for what docs say that there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import combinations
from typing import Any

import pytest

from tests.support import exposed
from tests.support.exposed import ALERTS, PAGE, ROOT

OTHERS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
TARGET = {"job", "instance"}  # labels that Prometheus adds

DOCUMENTED = {sample: row for row in exposed.documented() for sample in row.samples}


@pytest.mark.parametrize(("where", "expression"), list(exposed.expressions()))
def test_queries_ask_for_what_there_is(where: str, expression: str) -> None:
    asked = exposed.names(expression)
    assert asked or "up{" in expression
    assert asked - OTHERS <= DOCUMENTED.keys(), where
    for name, label in exposed.matchers(expression):
        assert label in TARGET | (DOCUMENTED[name].labels if name in DOCUMENTED else set()), where
    known = TARGET | {"le"}.union(*(DOCUMENTED[name].labels for name in asked - OTHERS))
    for by in re.findall(r"by \(([^)]*)\)", expression):
        assert set(by.split(", ")) <= known, where


def test_every_metric_is_on_the_dashboard_or_of_an_alert() -> None:
    asked = set().union(*(exposed.names(each) for _, each in exposed.expressions()))
    unseen = {row.name for row in exposed.documented() if not row.samples & asked}
    assert unseen == {"cdp_events"}  # a number to know, not to watch


def test_panels_do_not_share_an_id_or_a_place() -> None:
    panels = exposed.panels()
    assert len({panel["id"] for panel in panels}) == len(panels) > 30
    for one, other in combinations(panels, 2):
        assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    assert all(panel["title"] for panel in panels)
    assert all(panel["type"] == "row" or panel["targets"] for panel in panels)


def _overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    return (
        a["x"] < b["x"] + b["w"]
        and b["x"] < a["x"] + a["w"]
        and a["y"] < b["y"] + b["h"]
        and b["y"] < a["y"] + a["h"]
    )


@pytest.mark.parametrize("rule", exposed.rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_the_case_and_the_page_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    name = rule["alert"]
    assert rule["annotations"]["runbook"] == f"docs/observing.md#{name.lower()}"
    section = PAGE.read_text().partition(f"\n### {name}\n")[2].partition("\n### ")[0]
    assert len(section.split()) > 20


def test_no_section_is_about_an_alert_that_is_not_there() -> None:
    sections = re.findall(r"^### (Cdp\w+)$", PAGE.read_text(), re.M)
    assert sections == [rule["alert"] for rule in exposed.rules()]


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool on this machine; it comes with Debian's package prometheus")
    return found


def test_prometheus_takes_them(promtool: str) -> None:
    _must_pass(promtool, "check", "config", str(ALERTS.parent / "prometheus.yml"))


def test_alerts_fire_when_they_should_and_else_do_not(promtool: str) -> None:
    cases = ROOT / "tests" / "data" / "alerts.yml"
    _must_pass(promtool, "test", "rules", str(cases))
    tried = set(re.findall(r"alertname: (\w+)", cases.read_text()))
    assert tried == {rule["alert"] for rule in exposed.rules()}


def _must_pass(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
