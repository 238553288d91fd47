"""The Kubernetes manifests are valid, belong together, and give our containers no rights."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.compose import OURS, ROOT

VERSION = "1.34"  # the oldest that has all of it as it is there
FILES = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
OBJECTS = [each for path in FILES for each in yaml.safe_load_all(path.read_text())]
PODS = {each["metadata"]["name"]: each for each in OBJECTS if "template" in each.get("spec", {})}


def pod(name: str) -> dict[str, Any]:
    return dict(PODS[name]["spec"]["template"]["spec"])


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in OBJECTS if each["kind"] == kind]


@pytest.mark.parametrize("made", OBJECTS, ids=lambda x: f"{x['kind']} {x['metadata']['name']}")
def test_it_is_valid(made: dict[str, Any]) -> None:
    kubernetes_validate.validate(made, VERSION, strict=True)


def test_every_part_is_there_and_is_what_it_is_called() -> None:
    assert set(PODS) == {f"cdp-{name}" for name in OURS}
    for name in PODS:
        (container,) = pod(name)["containers"]
        assert container["args"] == [name.removeprefix("cdp-")]
        assert container["envFrom"] == [
            {"configMapRef": {"name": "cdp"}},
            {"secretRef": {"name": "cdp"}},
        ]


@pytest.mark.parametrize("name", PODS)
def test_a_pod_may_do_little(name: str) -> None:
    spec = pod(name)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] == 10001
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def test_what_selects_pods_finds_them() -> None:
    def labels(made: dict[str, Any]) -> dict[str, str]:
        return dict(made["spec"]["template"]["metadata"]["labels"])

    everybody = [labels(each) for each in PODS.values()]
    for made in of_kind("Deployment"):
        assert made["spec"]["selector"]["matchLabels"] == labels(made)
    for made in of_kind("PodDisruptionBudget"):
        assert made["spec"]["selector"]["matchLabels"] in everybody
    for made in of_kind("Service"):
        assert made["spec"]["selector"] in everybody
    for made in of_kind("HorizontalPodAutoscaler"):
        target = PODS[made["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"], "each would undo what the other does"


def test_probes_ask_at_ports_that_are_open() -> None:
    for made in of_kind("Deployment"):
        (container,) = pod(made["metadata"]["name"])["containers"]
        ports = {each["name"]: each["containerPort"] for each in container["ports"]}
        for probe in ("startupProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in ports
        scraped = made["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"]
        assert int(scraped) in ports.values()
    (config,) = of_kind("ConfigMap")
    assert int(config["data"]["CDP_METRICS_PORT"]) == 9100
