"""A propensity as a kind of model: learned from observations, told as values, watched over time."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from profiles.language.spans import DAY
from profiles.learning import propensity, protocol
from profiles.learning.features import Observation
from profiles.learning.protocol import Fitted, Lesson, Unlearnable

HORIZON = 7 * DAY
DEFINITION = {"goal": {"event": "Order Completed"}, "horizon": "7d"}
LAPSE = {"goal": "lapse", "horizon": "7d"}


def lesson(
    seed: int, *, until: int, turned: int = 99, definition: dict[str, Any] | None = None
) -> Lesson:
    """600 people as of each of four weeks up to one: who looks a lot buys, and after a week not."""
    rng = np.random.default_rng(seed)
    observations, truth = [], []
    for week in range(until - 3, until + 1):
        for _ in range(600):
            looks, days = float(rng.poisson(3)), float(rng.exponential(5))
            tea = float(rng.integers(0, 2))
            odds = (-0.9 if week > turned else 0.9) * (looks - 3) + 1.5 * (2 * tea - 1)
            amounts = {"looks": looks, "recency": days}
            if rng.random() < 0.3:
                del amounts["looks"]
                odds = 1.5 * (2 * tea - 1)
            shares = {"taste": {"tea" if tea else "coffee": 1.0}}
            observations.append(Observation(amounts, shares))
            truth.append([bool(rng.random() < 1 / (1 + np.exp(-odds))), week * HORIZON])
    return Lesson("propensity", definition or DEFINITION, observations, truth=truth)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return propensity.fit(lesson(1, until=10))


def person(looks: float | None, taste: str, days: float = 1.0) -> Observation:
    amounts = {"recency": days} | ({} if looks is None else {"looks": looks})
    return Observation(amounts, {"taste": {taste: 1.0}})


def test_the_report_says_what_was_learned_from_and_how_good_it_is(fitted: Fitted) -> None:
    split, measures = fitted.report["split"], fitted.report["measures"]
    assert [split[name]["people"] for name in split] == [1200, 600, 600]
    assert split["set_by"]["as_of"] == ["1970-03-05T00:00:00.000000Z"]
    assert split["measured_on"]["as_of"] == ["1970-03-12T00:00:00.000000Z"]
    assert measures["auc"]["low"] > 0.8
    assert measures["calibration_error"] < 0.08
    assert fitted.report["weights"][0]["feature"].startswith("taste = ")
    assert fitted.report["drift"] is None
    assert not fitted.kept


def test_scores_are_told_as_probabilities(fitted: Fitted) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(fitted.parameters))
    people = [person(6, "tea"), person(0, "coffee"), person(None, "tea"), person(None, "milk")]
    likely, unlikely, unknown, new = protocol.score("propensity", stored, people)
    assert likely > 0.9
    assert unlikely < 0.1
    assert 0.7 < unknown < 0.9
    assert 0.1 < new < 0.9
    assert protocol.score("propensity", stored, []) == []


def test_reasons_of_somebody_are_those_that_were_planted(fitted: Fitted) -> None:
    found = protocol.explain("propensity", fitted.parameters, person(0, "tea"))
    assert (found[0]["feature"], found[0]["value"]) == ("looks", 0)
    assert found[0]["moves"] < -0.2
    assert protocol.explain("clusters", {}, person(0, "tea")) == []


def test_a_model_that_holds_is_kept(fitted: Fitted) -> None:
    later = lesson(2, until=11)
    later.before, later.asked = fitted.parameters, False
    again = propensity.fit(later)
    assert again.kept
    assert again.report["drift"]["verdict"] == "holds"
    assert again.report["drift"]["people"] == 600


def test_a_model_that_has_lost_over_a_tenth_is_learned_anew(fitted: Fitted) -> None:
    later = lesson(3, until=20, turned=0)
    later.before, later.asked = fitted.parameters, False
    again = propensity.fit(later)
    assert not again.kept
    assert again.report["drift"]["verdict"] == "dropped"
    assert again.report["drift"]["drop"] > 0.1
    assert again.report["measures"]["auc"]["low"] > 0.8
    many, few = protocol.score("propensity", again.parameters, [person(7, "tea"), person(0, "tea")])
    assert few > many


def test_it_is_learned_anew_until_it_is_as_good_as_it_was(fitted: Fitted) -> None:
    """People turned in week 20, which what is learned from in week 21 mostly does not know yet."""
    first = lesson(3, until=21, turned=20)
    first.before, first.asked = fitted.parameters, False
    poor = propensity.fit(first)
    assert (poor.kept, poor.report["drift"]["verdict"]) == (False, "dropped")
    assert poor.report["measures"]["auc"]["value"] < 0.8
    second = lesson(4, until=25, turned=20)
    second.before, second.asked = poor.parameters, False
    good = propensity.fit(second)
    assert (good.kept, good.report["drift"]["verdict"]) == (False, "dropped")
    assert good.report["measures"]["auc"]["low"] > 0.75
    third = lesson(5, until=26, turned=20)
    third.before, third.asked = good.parameters, False
    assert propensity.fit(third).kept


def test_one_that_is_asked_for_is_learned_anew(fitted: Fitted) -> None:
    later = lesson(2, until=11)
    later.before = fitted.parameters
    again = propensity.fit(later)
    assert not again.kept
    assert again.report["drift"] is None
    assert again.parameters["as_of"] == 12 * HORIZON
    assert again.rests_until == 13 * HORIZON


def test_before_anything_has_come_out_nothing_is_judged(fitted: Fitted) -> None:
    later = lesson(3, until=10, turned=0)
    later.before, later.asked = fitted.parameters, False
    again = propensity.fit(later)
    assert again.kept
    assert again.report["drift"]["verdict"] == "too few"
    assert again.report["drift"]["people"] == 0


def test_who_is_gone_is_not_asked_about() -> None:
    found = propensity.fit(lesson(4, until=10, definition=LAPSE))
    here, gone = protocol.score(
        "propensity", found.parameters, [person(1, "tea", 6.9), person(1, "tea", 7.0)]
    )
    assert here is not None
    assert gone is None
    assert protocol.explain("propensity", found.parameters, person(1, "tea", 7.0)) == []


def test_too_short_a_past_is_told() -> None:
    short = lesson(5, until=10)
    keep = [n for n, (_, at) in enumerate(short.truth) if at >= 9 * HORIZON]
    short.observations = [short.observations[n] for n in keep]
    short.truth = [short.truth[n] for n in keep]
    with pytest.raises(Unlearnable, match="it has to reach three horizons back"):
        propensity.fit(short)


def test_nobody_is_told() -> None:
    with pytest.raises(Unlearnable, match="nobody who allows the purpose"):
        propensity.fit(Lesson("propensity", DEFINITION, []))
