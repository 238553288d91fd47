"""Examples to learn from, and their parts by time: learned from, set by, measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from profiles.learning.boosted import Numbers
from profiles.learning.protocol import Unlearnable

Labels: TypeAlias = NDArray[np.bool_]
Instants: TypeAlias = NDArray[np.int64]

LEAST = 20  # of each kind, in each part, for anything to be learned or measured


@dataclass(frozen=True, slots=True)
class Examples:
    """What was known of people, a row each, and what came of it: as of an instant, then after it.

    `values` has a column for each of `names`; what is not known is not a number.
    """

    names: Sequence[str]
    values: Numbers
    labels: Labels
    at: Instants

    def where(self, chosen: Labels) -> Examples:
        """Some of them."""
        return Examples(self.names, self.values[chosen], self.labels[chosen], self.at[chosen])


class Split(NamedTuple):
    """Examples by time: to learn from, to set probabilities by, and to measure on."""

    learning: Examples
    setting: Examples
    testing: Examples


def split(examples: Examples, horizon: int) -> Split:
    """By time: the latest instant is for measuring, the latest a horizon before it for setting.

    What is learned from had come out by the instant that probabilities are set as of, and that by
    the one that is measured as of; so nothing is learned that was not known by then.
    """
    instants = np.unique(examples.at)
    last = instants[-1] if len(instants) else 0
    before = instants[instants <= last - horizon]
    middle = before[-1] if len(before) else last
    return checked(
        Split(
            examples.where(examples.at <= middle - horizon),
            examples.where((examples.at == middle) & (examples.at < last)),
            examples.where(examples.at == last),
        )
    )


def checked(parts: Split) -> Split:
    """The same; Unlearnable where a part has too few of a kind."""
    for name, part in zip(_PARTS, parts, strict=True):
        yes = int(part.labels.sum())
        if min(yes, len(part.labels) - yes) < LEAST:
            raise Unlearnable(
                f"to {name} there are {yes} people who did it and {len(part.labels) - yes} who did"
                f" not; at least {LEAST} of each are needed"
            )
    return parts


_PARTS = ("learn from", "set probabilities by", "measure on")
