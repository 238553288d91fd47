"""Which schema this code knows, and whether it can work with the one that is there.

Migrations are read as text: what every process looks at when it starts shall not cost it Alembic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

EXPAND, CONTRACT = "expand", "contract"
VERSIONS: tuple[Path, ...] = (Path(__file__).resolve().parent.parent / "migrations" / "versions",)

_FILE = re.compile(r"\d{4}_\w+\.py")
_PHASE = re.compile(rf'^PHASE = "({EXPAND}|{CONTRACT})"', re.MULTILINE)
_TITLE = re.compile(r'\A"""(.+?)(?:"""|\n)')


class Step(NamedTuple):
    """A migration. Code of the version before can live with it if it only expands."""

    revision: str
    phase: str
    title: str


class Fit(NamedTuple):
    """How a database's schema stands to the code."""

    revision: str  # empty: there is no schema yet
    head: str  # the latest that the code knows
    missing: tuple[Step, ...]
    problem: str = ""  # why the code cannot work with it, and what to do

    @property
    def newer(self) -> bool:
        """Whether a later version has migrated it."""
        return self.revision > self.head


def head() -> str:
    """The latest migration that this code knows, by the files' names."""
    return max(path.name[:4] for path in _paths())


def steps() -> tuple[Step, ...]:
    """Every migration, in order."""
    return tuple(sorted(_step(path) for path in _paths()))


def fit(revision: str, contracted: str, known: Sequence[Step]) -> Fit:
    """Pure: from the database's migration and the last one there that took something away."""
    latest = known[-1].revision
    missing = tuple(step for step in known if step.revision > revision)
    problem = ""
    if contracted > latest:
        problem = (
            f"the database is of a later version: its schema is {revision}, this version knows "
            f"those up to {latest}, and {contracted} took away what it needs: start the later "
            "version"
        )
    elif not revision:
        problem = "the database has no schema yet: run `cdp migrate`"
    elif any(step.phase == EXPAND for step in missing):
        problem = (
            f"the database's schema is {revision} and this version needs "
            f"{max(step.revision for step in missing if step.phase == EXPAND)}: run `cdp migrate`"
        )
    return Fit(revision, latest, missing, problem)


def _paths() -> Iterable[Path]:
    return (path for place in VERSIONS for path in place.iterdir() if _FILE.fullmatch(path.name))


def _step(path: Path) -> Step:
    text = path.read_text()
    phase, title = _PHASE.search(text), _TITLE.match(text)
    assert phase, f"{path.name} does not say its PHASE"
    assert title, f"{path.name} does not begin with what it is for"
    return Step(path.name[:4], phase[1], title[1].strip())
