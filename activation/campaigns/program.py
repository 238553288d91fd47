"""What a campaign does, as a list of operations: where somebody is in it is then one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias


class Send(NamedTuple):
    """A message by the first of these destinations that the person may and can be reached by."""

    step: int  # as people count them
    template: str
    channels: tuple[str, ...]
    timing: str = ""
    variants: tuple[tuple[str, int], ...] = ()  # templates to compare, and their weights

    @property
    def templates(self) -> tuple[str, ...]:
        """All that it may send."""
        return tuple(each for each, _ in self.variants) or (self.template,)


class Pause(NamedTuple):
    """Nothing for so long (microseconds)."""

    length: int


class Unless(NamedTuple):
    """Go on at another operation, unless the person is in that segment."""

    segment: str
    at: int


class Jump(NamedTuple):
    """Go on at another operation."""

    at: int


Operation: TypeAlias = Send | Pause | Unless | Jump


def compiled(steps: Sequence[Mapping[str, Any]]) -> tuple[Operation, ...]:
    """Steps as people write them, durations in microseconds, as operations.

    `{"send": …}`, `{"wait": …}`, `{"if": segment, "then": [steps], "else": [steps]}`.
    """
    program: list[Operation] = []
    _compile(steps, program, 0)
    return tuple(program)


def _compile(steps: Sequence[Mapping[str, Any]], program: list[Operation], sends: int) -> int:
    """Appends; returns how many messages there are up to here."""
    for step in steps:
        if "send" in step:
            sends += 1
            said = step["send"]
            channels = tuple(said["channels"])
            weights = tuple((each["template"], each["weight"]) for each in said.get("variants", ()))
            first = said.get("template") or weights[0][0]
            program.append(Send(sends, first, channels, said.get("timing", ""), weights))
        elif "wait" in step:
            program.append(Pause(step["wait"]))
        else:
            fork = len(program)
            program.append(Jump(0))
            sends = _compile(step["then"], program, sends)
            over = len(program)
            if step["else"]:
                program.append(Jump(0))
                program[fork] = Unless(step["if"], len(program))
                sends = _compile(step["else"], program, sends)
                program[over] = Jump(len(program))
            else:
                program[fork] = Unless(step["if"], over)
    return sends
