"""Examples of what models answer."""

from __future__ import annotations

from typing import Any

from cdp.api.samples import AT, ID
from cdp.api.shapes import Free, Null

_REPORT: dict[str, Any] = {
    "method": "kmeans",
    "clusters": [
        {
            "id": "c1",
            "label": "very active, high spent",
            "size": 120,
            "share": 0.24,
            "features": [
                {"feature": "frequency", "mean": 40.2, "everybody": 12.1, "apart": 1.62},
            ],
        }
    ],
    "curves": [{"clusters": 2, "silhouette": 0.41, "inertia": 5230.1}],
    "chosen": {"clusters": 4, "silhouette": 4, "elbow": 4},
    "features": ["frequency", "recency", "spent"],
    "stability": {"agreement": 0.97, "kept": ["c1", "c2"], "gone": [], "new": []},
}
_FIT: dict[str, Any] = {
    "version": 1,
    "state": "done",
    "people": 500,
    "started_at": AT,
    "finished_at": Null(AT),
    "error": "",
    "report": Free(_REPORT),
}
_DEFINITION = Free(
    {
        "kind": "clusters",
        "method": "kmeans",
        "clusters": "auto",
        "features": {"spent": "sum(revenue of 'Order Completed')"},
        "ready": ["recency", "frequency"],
        "every": "1d",
    }
)
MODEL: dict[str, Any] = {
    "key": "tribes",
    "name": "Kinds of customers",
    "purpose": "profiling",
    "kind": "clusters",
    "definition": _DEFINITION,
    "state": "live",
    "progress": 1.0,
    "version": 1,
    "fit": Null(_FIT),
    "error": "",
    "created_at": AT,
    "updated_at": AT,
}
EXPLAINED: dict[str, Any] = {
    "profile_id": ID,
    "model": "will_buy",
    "version": Null(3),
    "value": Free(0.42),
    "reasons": [{"feature": "recency", "value": Null(1.5), "usual": Null(9.0), "moves": 0.12}],
}
MODELS: dict[str, Any] = {"models": [MODEL]}
FITS: dict[str, Any] = {"fits": [_FIT]}
VERSIONS: dict[str, Any] = {
    "versions": [
        {
            "version": 1,
            "name": "Kinds of customers",
            "purpose": "profiling",
            "made_at": AT,
            "definition": _DEFINITION,
        }
    ]
}
