"""What a scenario is handed, and what it gives back."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tests.chaos.checker import Finding


class Stage(NamedTuple):
    """A directory of its own, and dice."""

    home: Path
    dice: random.Random


class Report(NamedTuple):
    """What was found, and what was noted on the way."""

    findings: Sequence[Finding]
    notes: Sequence[str]


Scenario: TypeAlias = Callable[[Stage], Awaitable[Report]]
