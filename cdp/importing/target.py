"""A platform as seen from outside: where it answers, and how much it still has to do."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from cdp.errors import StoreUnavailable

_BUSY = ("cdp_lag", "cdp_building", "cdp_pending")
_POLL_SECONDS = 0.2
_PATIENCE = 120.0  # seconds without the number going down


def gauges(url: str) -> dict[str, float]:
    """The platform's own numbers; those with labels are added up."""
    answer = httpx.get(f"{url}/metrics", timeout=10.0, trust_env=False).raise_for_status()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def until_quiet(url: str, progress: Callable[[int], None] = lambda left: None) -> None:
    """Return once nothing is left to do; StoreUnavailable if it does not get less."""
    least, since = float("inf"), time.monotonic()
    while True:
        try:
            now = gauges(url)
        except httpx.HTTPError as error:
            left, problem = float("inf"), f"{url}/metrics: {error}"
        else:
            left, problem = sum(now.get(name, 0.0) for name in _BUSY), ""
            if not left:
                return
            progress(round(left))
        if left < least:
            least, since = left, time.monotonic()
        if time.monotonic() - since > _PATIENCE:
            told = problem or f"the platform stands still with {least:,.0f} records to go"
            raise StoreUnavailable(f"{told}; see `cdp status`")
        time.sleep(_POLL_SECONDS)
