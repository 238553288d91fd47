"""Models and their fits as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdp.log.vault import Vault
from cdp.modelling.sealing import unseal
from cdp.times import from_datetime, iso
from profiles.language.text import writing
from profiles.models.fits import Fit
from profiles.models.store import Model


def model(vault: Vault, model: Model, latest: Fit | None, current: Fit | None) -> dict[str, Any]:
    """A model, how far it is, and what it goes by; `latest` is the last time it was fitted."""
    counting = model.build_state == "counting"
    return {
        "key": model.key,
        "name": model.name,
        "purpose": model.purpose,
        "kind": model.kind,
        **defined(model.wanted),
        "state": _state(model, latest, counting=counting),
        "progress": _progress(model, counting=counting),
        "version": model.version,
        "fit": fit(vault, current) if current is not None else None,
        "error": latest.error if latest is not None else "",
        "created_at": iso(from_datetime(model.created_at)),
        "updated_at": iso(from_datetime(model.updated_at)),
    }


def defined(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody wrote, with features as text where they are measures."""
    features = {
        name: each if "sessions" in each else writing.value_text(each)
        for name, each in definition["features"].items()
    }
    return {"definition": {**definition, "features": features}}


def fit(vault: Vault, fit: Fit) -> dict[str, Any]:
    """A time it was fitted; without a report while that goes on, and if nothing was learned."""
    fitted = unseal(vault, fit)
    return {
        "version": fit.version,
        "state": fit.state,
        "people": fit.people,
        "started_at": iso(from_datetime(fit.started_at)),
        "finished_at": iso(from_datetime(fit.finished_at)) if fit.finished_at else None,
        "error": fit.error,
        "report": fitted.report if fitted is not None else {},
    }


def _state(model: Model, latest: Fit | None, *, counting: bool) -> str:
    """building its counters, fitting, scoring everybody, live, failed, or waiting to be fitted."""
    if counting:
        return "building"
    if latest is not None and latest.state in {"gathering", "learning"}:
        return "fitting"
    if model.due == 0 or latest is None:
        return "waiting"
    if latest.state == "failed" and model.fit is None:
        return "failed"
    return "live" if model.position is None else "scoring"


def _progress(model: Model, *, counting: bool) -> float:
    """Of counting, and then of scoring everybody: ids are hashes, so a byte tells how far it is."""
    if counting:
        return round(float(model.progress) / 2, 3)
    if model.fit is None:
        return 0.5
    return 1.0 if model.position is None else round(0.5 + (model.position[:1] or b"\0")[0] / 512, 3)
