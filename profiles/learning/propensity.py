"""Learns how probable it is that people do something in time, and watches that it holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from cdp.times import iso, parse_duration
from profiles.language.spans import DAY
from profiles.learning import boosting, drift, judging, labels, layout, shapes
from profiles.learning.drift import Drift
from profiles.learning.examples import Examples, split
from profiles.learning.hindsight import LAPSE
from profiles.learning.judging import Parameters, rows
from profiles.learning.layout import Column
from profiles.learning.measuring import measure
from profiles.learning.protocol import Fitted, Lesson, Unlearnable
from profiles.learning.reasons import usual
from profiles.learning.weighing import weights


def fit(lesson: Lesson) -> Fitted:
    """Learn it; unless that is asked for, the last one is kept as long as it holds."""
    if not lesson.truth:
        raise Unlearnable("nobody who allows the purpose did anything before the horizon")
    if lesson.before is None or lesson.asked:
        return _learned(lesson)
    before = judging.decoded(lesson.before)
    watched = _watched(lesson, before)
    if watched.verdict != "dropped":
        return Fitted({}, {"drift": watched.shown()}, kept=True)
    return _learned(lesson, watched, before.reference)


def _watched(lesson: Lesson, known: Parameters) -> Drift:
    """How the last fit does on what has come out since."""
    examples = _examples(lesson, known.columns)
    fresh = examples.where((examples.at == examples.at.max()) & (examples.at >= known.as_of))
    scores = known.model.score(fresh.values)
    return drift.watch(fresh.labels, scores, known.reference, fresh.values, known.shapes)


def _learned(lesson: Lesson, watched: Drift | None = None, lost: float = 0.0) -> Fitted:
    """Learn anew; after a drop, the AUC that was `lost` stays what a model should have."""
    columns = layout.learned(_early(lesson)).columns
    if not columns:
        raise Unlearnable("every feature is the same for everybody; name others in features")
    horizon = parse_duration(lesson.definition["horizon"])
    examples = _examples(lesson, columns)
    parts = split(examples, horizon)
    model = boosting.fit(parts)
    testing = parts.testing
    measured = measure(testing.labels, model.score(testing.values), model.threshold)
    typical = usual(parts.learning.values)
    lapse = lesson.definition["goal"] == LAPSE
    parameters = Parameters(
        columns,
        model,
        [float(each) if np.isfinite(each) else None for each in typical],
        shapes.shapes(examples.names, testing.values),
        max(measured.auc.value, lost),
        int(examples.at.max()) + horizon,
        horizon / DAY if lapse else None,
    )
    names = ("learned_from", "set_by", "measured_on")
    report = {
        "measures": measured.shown(),
        "split": {name: _told(part) for name, part in zip(names, parts, strict=True)},
        "weights": [each.shown() for each in weights(model, testing)],
        "drift": watched and watched.shown(),
    }
    return Fitted(judging.encoded(parameters), report, rests_until=parameters.as_of + horizon)


def _early(lesson: Lesson) -> list[Any]:
    """The observations that are learned from: columns are theirs."""
    horizon = parse_duration(lesson.definition["horizon"])
    latest = max(at for _, at in lesson.truth) - 2 * horizon
    pairs = zip(lesson.observations, lesson.truth, strict=True)
    found = [each for each, (_, at) in pairs if at <= latest]
    if not found:
        raise Unlearnable("the past is too short: it has to reach three horizons back")
    return found


def _examples(lesson: Lesson, columns: list[Column]) -> Examples:
    return Examples(
        tuple(labels.called(each) for each in columns),
        rows(columns, lesson.observations),
        np.array([came for came, _ in lesson.truth], dtype=np.bool_),
        np.array([at for _, at in lesson.truth], dtype=np.int64),
    )


def _told(part: Examples) -> dict[str, Any]:
    return {
        "people": len(part.labels),
        "did": int(part.labels.sum()),
        "as_of": [iso(int(at)) for at in np.unique(part.at)],
    }
