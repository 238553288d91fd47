"""Tracking plans: what is a schema, what breaks one, and what stripping leaves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.errors import Invalid
from cdp.forms import load
from cdp.naming import OTHER, told
from cdp.plans.model import KEPT, QUARANTINED, STRIPPED, Judged, Rules, rules_of
from cdp.plans.schema import TrackingPlanSchema, plan_of

ORDER = {
    "type": "object",
    "required": ["revenue"],
    "properties": {
        "revenue": {"type": "number", "minimum": 0},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "items": {"type": "array", "items": {"required": ["sku"]}},
    },
    "additionalProperties": False,
}
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["EUR", "eur", "x"])
VALUES = SCALARS | st.lists(st.dictionaries(st.sampled_from(["sku", "n"]), SCALARS), max_size=3)
NAMES = st.sampled_from(["revenue", "currency", "items", "other", "more"])


def rules(schema: Any = None, **said: Any) -> Rules:
    events = {"Order Completed": ORDER if schema is None else schema}
    body = {"owner": "shop", "unplanned": "allow", "violations": "strip", "events": events} | said
    return rules_of(plan_of(1, 3, body))


def judged(properties: dict[str, Any], schema: Any = None, **said: Any) -> Judged:
    found = rules(schema, **said).judge("Order Completed", properties)
    assert found is not None
    return found


def problem(schema: Any) -> tuple[str, str]:
    """Where it says that something is wrong with a schema, and what."""
    body = msgspec.json.encode({"owner": "o", "events": {"E": schema}})
    with pytest.raises(Invalid) as raised:
        load(TrackingPlanSchema(), body)
    field, _, message = str(raised.value.detail).partition(": ")
    assert raised.value.field == field
    return field, message


def test_what_is_as_planned_is_let_alone() -> None:
    good = {"revenue": 51.2, "currency": "EUR", "items": [{"sku": "a"}]}
    assert rules().judge("Order Completed", good) is None


@pytest.mark.parametrize(("action", "outcome"), [("allow", KEPT), ("quarantine", QUARANTINED)])
def test_what_is_not_is_kept_or_refused_whole(action: str, outcome: str) -> None:
    bad = {"revenue": "51", "colour": "red"}
    found = judged(bad, violations=action)
    assert (found.properties, found.outcome) == (bad, outcome)
    assert found.violations == (("colour", "additionalProperties"), ("revenue", "type"))
    assert rules().reason("Order Completed", found) == (
        "properties",  # the plan does not know the name, and it may be somebody's
        "breaks 'additionalProperties' of the tracking plan (version 3), and 1 more",
    )


def test_stripping_takes_out_what_offends_and_counts_what_it_leaves_missing() -> None:
    found = judged({"revenue": "51", "currency": "EUR", "items": [{"sku": "a"}, {}]})
    assert found.properties == {"currency": "EUR"}
    assert found.violations == (("items", "required"), ("revenue", "required"), ("revenue", "type"))
    assert found.outcome == STRIPPED
    missing = judged({"currency": "EUR"})
    assert (missing.properties, missing.outcome) == ({"currency": "EUR"}, KEPT)
    assert missing.violations == (("revenue", "required"),)


@given(st.dictionaries(NAMES, VALUES))
def test_stripping_only_takes_out_and_leaves_nothing_that_could_be(properties: Any) -> None:
    plan = rules()
    found = plan.judge("Order Completed", properties)
    if found is None:
        return
    assert found.properties.items() <= properties.items()
    again = plan.judge("Order Completed", found.properties)
    assert again is None or again.violations == (("revenue", "required"),)
    assert again is None or again.outcome == KEPT
    gone = properties.keys() - found.properties.keys()
    assert gone <= {each.property for each in found.violations}
    assert bool(gone) == (found.outcome == STRIPPED)


def test_events_that_the_plan_does_not_name() -> None:
    allowed, refused = (rules(unplanned=each) for each in ("allow", "quarantine"))
    for plan, outcome in ((allowed, KEPT), (refused, QUARANTINED)):
        found = plan.judge("Order Cancelled", {"a": 1})
        assert found == ({"a": 1}, (("", "unplanned"),), outcome)
        assert plan.reason("Order Cancelled", found) == (
            "event",
            "is not in the tracking plan (version 3)",
        )


def test_rules_for_the_whole_and_for_names() -> None:
    schema = {"minProperties": 2, "propertyNames": {"maxLength": 3}, "not": {"required": ["no"]}}
    found = judged({"long": 1, "no": 2}, schema)
    assert found.violations == (("", "minProperties"), ("", "not"), ("long", "propertyNames"))
    assert found.properties == {"no": 2}
    whole = rules(schema, violations="quarantine")
    refused = whole.judge("Order Completed", {"no": 1, "a": 2})
    assert refused is not None
    assert whole.reason("Order Completed", refused)[0] == "properties"


def test_no_value_and_nobodys_name_is_told() -> None:
    plan = rules(violations="quarantine")
    for properties in (
        {"revenue": 1, "ada": 1},
        {"revenue": "ada"},
        {"revenue": 1, "items": "ada"},
    ):
        found = plan.judge("Order Completed", properties)
        assert found is not None
        assert "ada" not in str(plan.reason("Order Completed", found))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Order Completed", "Order Completed"),
        ("änderung 12345", "änderung 12345"),
        ("ada@example.com", OTHER),
        ("order 491701234567", OTHER),
        ("a\x00b", OTHER),
        ("x" * 101, OTHER),
    ],
)
def test_names_that_may_stand_in_clear(name: str, shown: str) -> None:
    assert told(name) == shown


@pytest.mark.parametrize(
    ("schema", "path", "says"),
    [
        (7, "events.E", "Must be a JSON Schema"),
        ({"properties": {"a": {"type": "nope"}}}, "events.E.properties.a.type", "no JSON Schema"),
        ({"allOf": [{"minimum": "1"}]}, "events.E.allOf[0].minimum", "no JSON Schema"),
        ({"properties": {"a": {"pattern": "(?=a)"}}}, "events.E.properties.a.pattern", "regex"),
        ({"$ref": "https://example.com/s"}, "events.E.$ref", "nothing is fetched"),
        ({"items": {"$ref": "file:///etc/passwd"}}, "events.E.items.$ref", "nothing is fetched"),
        ({"$ref": "#/$defs/none"}, "events.E", "does not exist"),
        ({"$id": "https://example.com/"}, "events.E.$id", "not taken"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "events.E.$schema", "2020-12"),
    ],
)
def test_a_schema_that_is_none_is_refused_where_it_is_wrong(
    schema: Any, path: str, says: str
) -> None:
    field, message = problem(schema)
    assert field == path
    assert says in message


def test_a_schema_that_would_hold_the_collector_up_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"items": deep}
    assert "nest" in problem(deep)[1]
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    bomb = {"$ref": "#/$defs/d0", "$defs": twice | {"d30": {}}}
    assert "steps" in problem(bomb)[1]


def test_a_schema_may_refer_to_itself() -> None:
    tree = {"$ref": "#/$defs/n", "$defs": {"n": {"additionalProperties": {"$ref": "#/$defs/n"}}}}
    body = {"owner": "o", "events": {"E": tree, "F": {"items": {"$ref": "#"}}}}
    loaded, _ = load(TrackingPlanSchema(), msgspec.json.encode(body))
    assert rules_of(plan_of(1, 1, loaded)).judge("E", {"a": {"b": {}}}) is None


def test_a_large_event_that_is_wrong_all_over_is_told_of_in_few_words() -> None:
    schema = {"properties": {"n": {"items": {"type": "string"}}}, "required": ["id"]}
    found = judged({"n": list(range(10_000)), "a": 1}, schema)
    assert (found.properties, found.outcome) == ({"a": 1}, STRIPPED)
    assert found.violations == (("id", "required"), ("n", "type"))
    many = {f"p{n}": n for n in range(2000)}
    shut = judged(many | {"text": "t"}, {"additionalProperties": {"type": "string"}})
    assert shut.properties == {"text": "t"}
    assert len(shut.violations) == 20


@given(st.dictionaries(NAMES, VALUES))
def test_large_events_are_stripped_like_small_ones(properties: Any) -> None:
    plan = rules(ORDER | {"properties": ORDER["properties"] | {"big": {}}})
    small, large = (
        plan.judge("Order Completed", properties | {"big": big}) for big in ([], [0] * 300)
    )
    assert (small is None) == (large is None)
    if small is not None and large is not None:
        left = {name: value for name, value in large.properties.items() if name != "big"}
        assert left == {name: each for name, each in small.properties.items() if name != "big"}
        assert small.outcome == large.outcome
