"""Who comes back to a real grocer within two weeks (Complete Journey): from events to figures.

The whole way: baskets are folded as events, households looked at as of six instants, two weeks
apart, and what is learned from the first four is measured on the last.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from cdp.events import SCHEMA, Event
from cdp.times import from_datetime
from profiles.facts import Somebody
from profiles.language.spans import DAY
from profiles.learning import propensity
from profiles.learning.features import counters, observe
from profiles.learning.hindsight import Goal, Hindsight, Question, instants
from profiles.learning.measuring import auc
from profiles.learning.protocol import Fitted, Lesson
from tests.support.data import public

FILE = "clickstream/cj_transactions_sample.csv.gz"
HORIZON = 14 * DAY
BOUGHT = "Order Completed"
DEFINITION: dict[str, Any] = {
    "goal": {"event": BOUGHT},
    "horizon": "14d",
    "ready": ["recency", "tenure", "frequency", "hours"],
    "features": {
        "month": {"event": BOUGHT, "within": "30d", "days": {}},
        "quarter": {"event": BOUGHT, "within": "90d", "days": {}},
        "spent": {"event": BOUGHT, "within": "90d", "sum": {"of": "revenue"}},
    },
}


def events() -> dict[bytes, list[Event]]:
    """A line of a basket each, by household."""
    found = defaultdict(list)
    with gzip.open(public(FILE), "rt") as file:
        for number, row in enumerate(csv.DictReader(file)):
            at = from_datetime(
                datetime.fromisoformat(row["transaction_timestamp"]).replace(tzinfo=UTC)
            )
            found[row["household_id"].encode()].append(
                Event(
                    SCHEMA,
                    "track",
                    number.to_bytes(7) + bytes(9),
                    1,
                    str(number),
                    at,
                    at,
                    name=BOUGHT,
                    properties={"revenue": float(row["sales_value"])},
                )
            )
    return found


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    every = events()
    now = max(each.at for mine in every.values() for each in mine)
    question = Question(
        Goal(BOUGHT),
        HORIZON,
        "analytics",
        list(counters(DEFINITION)),
        lambda facts, at: observe(facts, DEFINITION, at),
    )
    looking = Hindsight(question, instants(now, HORIZON))
    for household, mine in every.items():
        for each in mine:
            looking.add(household, each, ())
    found = Lesson("propensity", DEFINITION, [])
    for household in every:
        for example in looking.examples([household], Somebody(), {}):
            found.observations.append(example.known)
            found.truth.append((example.came, example.at))
    return found


@pytest.fixture(scope="module")
def fitted(lesson: Lesson) -> Fitted:
    return propensity.fit(lesson)


def test_it_ranks_better_than_any_one_feature(lesson: Lesson, fitted: Fitted) -> None:
    print(fitted.report["measures"], fitted.report["split"], fitted.report["weights"])
    last = max(at for _, at in lesson.truth)
    latest = [n for n, (_, at) in enumerate(lesson.truth) if at == last]
    labels = np.array([lesson.truth[n][0] for n in latest])
    found = fitted.report["measures"]["auc"]
    assert found["low"] > 0.7
    for name, sign in (("recency", -1), ("frequency", 1), ("month", 1), ("quarter", 1)):
        scores = [sign * lesson.observations[n].amounts.get(name, 0.0) for n in latest]
        assert found["value"] > auc(labels, np.array(scores)).value, name


def test_it_promises_what_comes(fitted: Fitted) -> None:
    measures = fitted.report["measures"]
    assert measures["people"] > 2000
    assert measures["calibration_error"] < 0.05
    share = measures["share"]["value"]
    assert measures["brier"]["high"] < share * (1 - share)


def test_the_parts_are_two_weeks_apart(fitted: Fitted) -> None:
    split = fitted.report["split"]
    assert [len(split[name]["as_of"]) for name in split] == [4, 1, 1]
    assert max(split["learned_from"]["as_of"]) < split["set_by"]["as_of"][0]
    assert split["set_by"]["as_of"] < split["measured_on"]["as_of"]
