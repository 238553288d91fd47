"""What one event tells each of the domains, and whose profile is to be looked at for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from activation.campaigns.listening import Listening
from cdp import origins, touches
from cdp.events import Event, SubjectId
from cdp.stream.stage import Unit
from consent.model import denied, expired
from consent.stage import Heard
from identity import identifiers
from identity.memory import Said
from profiles.folding import Folding


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a chunk of events says; `causes` are the latest event of each subject, or a word."""

    said: Said
    wished: Heard
    folding: Folding
    listening: Listening
    causes: dict[SubjectId, bytes] = field(default_factory=dict)

    def hear(self, unit: Unit, subject: SubjectId, event: Event) -> None:
        """Take up one event."""
        if event.corrects:
            self.folding.correct(subject, event.corrects)
            self.causes[subject] = touches.CORRECTION
        if event.type in identifiers.TOLD:  # by an operator or by matching, not by the person
            self.said.tell(event)
            return
        named = identifiers.read(event)
        if named.subject is None:
            return
        self.said.hear(named, event)
        if not expired(event):  # which the person did not do: it was nobody's deed
            self.folding.add(subject, event, named.identifiers, denied(event))
        if not event.corrects:  # what was decided on consent is corrected by deciding anew
            self.wished.hear(subject, event)
            self.causes[subject] = event.id
            self.listening.hear(subject, event)
            unit.follow(subject, origins.of(event))
