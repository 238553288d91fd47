"""What is wrong with a model, and why nothing could be learned, is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Api
from tests.support.tribes import TRIBES, buyer, tell


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "oracle"}, "kind: Must be one of: clusters, propensity, rfm."),
        ({"kind": "rfm", "parts": 1}, "parts: Must be greater than or equal to 2"),
        ({"kind": "rfm", "ready": []}, "ready: Unknown field; known are event, every, kind"),
        ({"method": "magic"}, "method: Must be one of: kmeans, minibatch, mixture, hierarchical."),
        ({"clusters": 1}, "clusters: Must be auto, or 2 to 50."),
        ({"purpose": "fun"}, "purpose: unknown; known are"),
        ({"features": {"recency": "count('A')"}}, "features.recency: Is the name of a ready-made"),
        ({"features": {"f": "sum(x)"}}, "features.f: At character"),
        (
            {"features": {"f": {"sessions": []}}},
            "features.f.sessions: Length must be between 1 and 20",
        ),
        ({"features": {"f": "predicted.x"}}, "features.f: Cannot be what another"),
        ({"ready": ["luck"]}, "ready[0]: Must be one of: recency"),
        ({"ready": []}, "features: Name one, or let some of ready be there."),
        ({"every": "soon"}, "every: Must be a whole number and a unit"),
        ({"colour": "red"}, "colour: Unknown field; known are"),
    ],
)
async def test_what_is_wrong_with_a_model_is_told(
    api: Api, change: dict[str, Any], told: str
) -> None:
    body = {"kind": "clusters", "name": "Tribes"} | change
    answer = await api.call("PUT", "/models/tribes", json=body)
    assert (answer.status_code, answer.json()["detail"][: len(told)]) == (400, told)


async def test_too_few_people_are_told_of(api: Api) -> None:
    await tell(api, *buyer("alone", 1))
    await api.put("/models/tribes", TRIBES)
    await api.settle()
    model: Any = await api.get("/models/tribes")
    told = "1 people allow the purpose and did anything; 50 are needed"
    assert (model["state"], model["error"]) == ("failed", told)
    nothing = await api.call(
        "POST", "/models/tribes/clusters/c1/segment", json={"key": "one", "name": "One"}
    )
    assert nothing.status_code == 404
