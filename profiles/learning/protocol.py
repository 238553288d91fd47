"""What a kind of model is: a function that learns, and one that says what it makes of people.

Learning may use scikit-learn and runs in a process of its own that ends; saying uses numpy alone,
by parameters that are plain JSON. A kind is two modules, named here and imported when needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from cdp.events import Instant
from profiles.learning.features import Observation


class Lesson(msgspec.Struct):
    """What is learned from: observations, and what was learned the last time, if anything was.

    `truth` is what is to be predicted, one value for each observation, where a kind predicts. With
    `asked`, something new is to be learned; else what there is may be kept.
    """

    kind: str
    definition: dict[str, Any]
    observations: list[Observation]
    before: dict[str, Any] | None = None
    truth: list[Any] = []
    asked: bool = True


class Fitted(msgspec.Struct):
    """What was learned: parameters to go by, and a report for people, both plain JSON.

    With `kept` nothing was, and those that there are still hold. By the clock nobody looks at it
    again before `rests_until`.
    """

    parameters: dict[str, Any]
    report: dict[str, Any]
    kept: bool = False
    rests_until: Instant = 0
    definition: dict[str, Any] = {}  # by which it was learned


class Unlearnable(Exception):
    """Nothing can be learned from this; says why, and what would help."""


class Learning(Protocol):
    """The module of a kind that learns."""

    def fit(self, lesson: Lesson) -> Fitted:
        """Learn; Unlearnable if that makes no sense."""


class Saying(Protocol):
    """The module of a kind that says what a model makes of people."""

    def score(
        self, parameters: Mapping[str, Any], observations: Sequence[Observation]
    ) -> list[Any]:
        """A JSON value for each; None where there is nothing to say."""


class Explaining(Protocol):
    """The module of a kind that tells what it says rests on."""

    def explain(
        self, parameters: Mapping[str, Any], observation: Observation
    ) -> list[dict[str, Any]]:
        """What weighs most first, as JSON."""


class Kind(NamedTuple):
    """Where a kind's functions are; not every kind explains."""

    learns: str
    says: str
    explains: str = ""


KINDS: Mapping[str, Kind] = {
    "clusters": Kind("profiles.learning.clusters", "profiles.learning.assigning"),
    "propensity": Kind(
        "profiles.learning.propensity", "profiles.learning.judging", "profiles.learning.judging"
    ),
    "rfm": Kind("profiles.learning.rfm", "profiles.learning.rfm"),
}


def fit(lesson: Lesson) -> Fitted:
    """Learn what a lesson's kind does."""
    learning = cast("Learning", importlib.import_module(KINDS[lesson.kind].learns))
    return msgspec.structs.replace(learning.fit(lesson), definition=lesson.definition)


def score(
    kind: str, parameters: Mapping[str, Any], observations: Sequence[Observation]
) -> list[Any]:
    """What a model of this kind says of each of them."""
    said = cast("Saying", importlib.import_module(KINDS[kind].says))
    return said.score(parameters, observations)


def explain(
    kind: str, parameters: Mapping[str, Any], observation: Observation
) -> list[dict[str, Any]]:
    """What that rests on for one of them; nothing where a kind does not tell."""
    if not KINDS[kind].explains:
        return []
    told = cast("Explaining", importlib.import_module(KINDS[kind].explains))
    return told.explain(parameters, observation)
