"""Global Privacy Control is recorded once, counts from its first time, and marks every event."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event
from consent import model
from consent.model import decisions, denied
from consent.stamps import GPC


def event(consent: object, at: int = 10) -> Event:
    """With what it says of consent."""
    return Event(SCHEMA, "track", b"e" * 16, 1, "m", at, 10**9, context={"consent": consent})


def test_gpc_on_record_is_no_decision_but_still_a_no() -> None:
    asking = event({GPC: True, "categoryPreferences": {"Ads": False}}, at=10)
    assert model.once(asking, None) is asking
    assert model.once(asking, 11) is asking  # this one was before
    again = model.once(asking, 10)
    assert [each.signal for each in decisions(again)] == ["ads"]
    assert denied(again) == denied(asking) == ("ads", GPC)
    alone = model.once(event({GPC: True}), 0)
    assert (alone.context, denied(alone)) == ({GPC: True}, (GPC,))
    assert not model.is_about_consent(alone)
    plain = event({"categoryPreferences": {"Ads": False}})
    assert model.once(plain, 0) is plain


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1))
def test_gpc_counts_from_its_first_time_however_often_it_is_recorded(
    seen: list[tuple[int, bool]],
) -> None:
    """In whatever order events come, and whatever a collector has forgotten in between."""
    since: int | None = None
    stored = []
    for at, forgotten in seen:
        since = None if forgotten else since
        kept = model.once(event({GPC: True}, at=at), since)
        if model.asks_gpc(kept):
            since = at if since is None else min(at, since)
        stored.append(kept)
    told = [each for kept in stored for each in decisions(kept)]
    assert model.latest(told)[GPC].at == min(at for at, _ in seen)
    assert all(denied(kept) == (GPC,) for kept in stored)
