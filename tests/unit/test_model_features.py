"""What is known of a person becomes numbers with names; what models said of them stays theirs."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping
from itertools import permutations
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from cdp.events import Event
from profiles import fragment
from profiles.facts import Facts, Sight, Somebody, numbered
from profiles.fragment import Fragment
from profiles.language.schema import Measured
from profiles.language.text import writing
from profiles.learning import fitting
from profiles.learning.features import Observation, counters, observe
from profiles.learning.fitting import MISSING, Outcome
from profiles.learning.protocol import Lesson
from profiles.models.schema import ClustersSchema

DAY = 86_400_000_000
NOW = 20_000 * DAY + DAY // 2  # a noon


def event(name: str, at: int, number: int = 1, **properties: Any) -> Event:
    mark = number.to_bytes(7) + bytes(9)
    return Event(1, "track", mark, 1, "m", at, at, name, properties=properties)


def observed(
    features: Mapping[str, Any], *events: Event, ready: tuple[str, ...] = ()
) -> Observation:
    body = {"kind": "clusters", "name": "N", "features": features, "ready": list(ready)}
    definition = ClustersSchema().load(body if features else {**body, "ready": list(ready)})
    kept = list(enumerate(counters(definition)))
    folded = fragment.empty()
    for each in events:
        fragment.fold(folded, each, (), fragment.counting(kept))
    return observe(Facts([folded], {each.key: str(n) for n, each in kept}), definition, NOW)


def test_ready_made_features() -> None:
    told = [event("page_read", NOW - 10 * DAY), event("buy", NOW - 4 * DAY - DAY // 4, 2)]
    told += [event("page_read", NOW - 10 * DAY + 1, 3), event("page_read", NOW - 4 * DAY, 4)]
    ready = ("recency", "tenure", "frequency", "events", "hours")
    found = observed({}, *told, ready=ready)
    assert found.amounts == {"recency": 4.0, "tenure": 10.0, "frequency": 4.0}
    assert found.shares["events"] == {"page_read": 0.75, "buy": 0.25}
    assert found.shares["hours"] == {"afternoon": 0.75, "morning": 0.25}


@pytest.mark.parametrize(
    ("feature", "amount", "shares"),
    [
        ("sum(price of 'buy')", 30.0, None),
        ("count('buy', 7d)", 1.0, None),
        ("since_last('buy')", 1.5, None),
        ("average(weight of 'buy')", None, None),
        ("last(kind of 'buy')", None, {"cake": 1.0}),
        ("most_frequent(kind of 'buy')", None, {"tea": 2 / 3, "cake": 1 / 3}),
        ({"sessions": ["buy"]}, 3.0, None),
        ({"sessions": ["buy"], "within": "7d"}, 1.0, None),
    ],
)
def test_features_of_ones_own(feature: Any, amount: float | None, shares: Any) -> None:
    told = [
        event("buy", NOW - 30 * DAY, 1, price=5, kind="tea"),
        event("buy", NOW - 20 * DAY, 2, price=10, kind="tea"),
        event("buy", NOW - DAY - DAY // 2, 3, price=15, kind="cake"),
    ]
    found = observed({"mine": feature}, *told)
    assert found.amounts.get("mine") == amount
    assert found.shares.get("mine") == shares


def test_half_an_hour_without_a_deed_ends_a_session() -> None:
    minute, begin = 60_000_000, NOW - DAY
    visits = [event("read", begin + n * 20 * minute, n + 1) for n in range(4)]
    visits.append(event("buy", begin + 75 * minute, 7))
    visits.append(event("read", begin + 106 * minute, 8))
    assert observed({"v": {"sessions": ["read", "buy"]}}, *visits).amounts == {"v": 2.0}
    assert observed({"v": {"sessions": ["buy"]}}, *visits).amounts == {"v": 1.0}
    assert observed({"v": {"sessions": ["fly"]}}, *visits).amounts == {"v": 0.0}


def said(value: str, at: int, number: int = 1, **other: Any) -> Event:
    about = {"model": "m", "number": 7, "version": 1, "purpose": "profiling", "value": value}
    told = event("", at, number)
    return msgspec.structs.replace(told, type="predict", properties=about | other)


def folded(*events: Event) -> Fragment:
    found = fragment.empty()
    for each in events:
        fragment.fold(found, each, (), fragment.counting(()))
    return found


def of(*fragments: Fragment, model: str = "m", granted: bool = True) -> Any:
    person = Somebody(MappingProxyType({"profiling": granted}))
    numbers = {numbered("m"): "7", numbered("n"): "7"}
    told = Sight(fragments, numbers, {}, person)("analytics").prediction(model)
    return told and told["value"]


def test_the_latest_word_of_a_model_counts_whatever_came_first() -> None:
    words = [said("a", 1), said("b", 3, 2), said("c", 3, 3), said("d", 2, 4)]
    states = {fragment.encode(folded(*order)) for order in permutations(words)}
    assert len(states) == 1
    assert of(folded(*words)) == "c"
    assert of(folded(words[0], words[3]), folded(words[1])) == "b"


def test_what_a_model_says_is_not_what_somebody_did() -> None:
    acted = folded(event("buy", 5))
    both = folded(event("buy", 5), said("a", 9))
    assert (both.first_seen, both.last_seen, both.events, both.hours) == (
        acted.first_seen,
        acted.last_seen,
        acted.events,
        acted.hours,
    )


def test_who_may_see_what_a_model_says() -> None:
    word = folded(said("a", 1))
    assert of(word) == "a"
    assert of(word, granted=False) is None
    assert of(word, model="n") is None  # another model of that number
    assert of(folded(said("a", 1, model="n")), model="n") == "a"
    assert of(word, model="unknown") is None


def test_a_trait_that_is_predicted_as_text() -> None:
    read = Measured().deserialize("predicted.tribes")
    assert read == {"predicted": "tribes"}
    assert writing.value_text(read) == "predicted.tribes"
    assert Measured().deserialize("predicted.'2-tribes'") == {"predicted": "2-tribes"}
    assert writing.value_text({"predicted": "2-tribes"}) == "predicted.'2-tribes'"


def learned(lesson: Lesson) -> Outcome:
    go = io.BytesIO()
    fitting.main(io.BytesIO(msgspec.msgpack.encode(lesson)), go)
    return msgspec.msgpack.decode(go.getvalue(), type=Outcome)


def test_what_cannot_be_learned_is_told() -> None:
    outcome = learned(Lesson("clusters", {"method": "kmeans", "clusters": "auto"}, []))
    told = "0 people allow the purpose and did anything; 50 are needed"
    assert (outcome.fitted, outcome.error) == (None, told)


def test_without_scikit_learn_the_extra_is_named() -> None:
    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from profiles.learning import fitting; fitting.main(sys.stdin.buffer, sys.stdout.buffer)"
    )
    lesson = msgspec.msgpack.encode(Lesson("clusters", {}, []))
    run = subprocess.run(
        [sys.executable, "-c", program], input=lesson, capture_output=True, check=True
    )
    assert msgspec.msgpack.decode(run.stdout, type=Outcome) == Outcome(error=MISSING)


def test_neither_api_nor_workers_nor_whoever_scores_load_scikit_learn() -> None:
    program = (
        "import sys, cdp.api.app, cdp.pipeline, cdp.scheduler.jobs, profiles.learning.assigning\n"
        "print([m for m in ('sklearn', 'scipy') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"
