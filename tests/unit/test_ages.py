"""Many ages counted at once come to what the library's histogram says of them one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from cdp.ages import Ages
from cdp.times import SECOND

BOUNDS = (0.1, 1.0, 5.0, 60.0)
NOW = 2_000_000 * SECOND


@given(st.lists(st.lists(st.integers(0, 100 * SECOND)), max_size=5))
def test_it_is_the_librarys_histogram(chunks: list[list[int]]) -> None:
    ages, registry = Ages("x", "x", BOUNDS, "topic"), CollectorRegistry()
    theirs = Histogram("x", "x", ["topic"], buckets=BOUNDS, registry=registry)
    for chunk in chunks:
        ages.observe("a", (NOW - age for age in chunk), NOW)
        for age in chunk:
            theirs.labels("a").observe(age / SECOND)
    (ours,) = ages.collect()
    (told,) = registry.collect()
    expected = {
        (each.name, each.labels.get("le")): each.value
        for each in told.samples
        if not each.name.endswith("_created")
    }
    found = {(each.name, each.labels.get("le")): each.value for each in ours.samples}
    assert found.keys() == expected.keys()
    assert {n: v for n, v in found.items() if n[0] != "x_sum"} == {
        n: v for n, v in expected.items() if n[0] != "x_sum"
    }
    assert abs(sum(v - expected[n] for n, v in found.items())) < 1e-6


def test_what_is_from_the_future_is_new() -> None:
    ages = Ages("x", "x", BOUNDS, "topic")
    ages.observe("a", [NOW + 5 * SECOND], NOW)
    (family,) = ages.collect()
    values = {each.labels.get("le", each.name): each.value for each in family.samples}
    assert (values["0.1"], values["x_count"], values["x_sum"]) == (1, 1, 0)
