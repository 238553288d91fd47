"""Takes another instance's log, as a backup holds it, into this one's.

Events are opened with the other master key, told anew under our numbers of sources, and sealed for
subjects as our hash names them. They go the way that every event goes, so whatever follows from
them follows here too; an event that is here already is known by its source and message id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace
from sqlalchemy.exc import IntegrityError

from cdp.backup import files, theirs
from cdp.backup.manifest import File, Manifest
from cdp.backup.rows import Rows
from cdp.backup.store import Connection
from cdp.correcting import corrected_by
from cdp.db import Database
from cdp.errors import Damaged, KeysDestroyed, Unreadable
from cdp.events import EVENTS, Event, SubjectId
from cdp.facts import id_of
from cdp.log import store as log_store
from cdp.log.codec import unpack_event
from cdp.log.keyring import Keyring, Known
from cdp.log.vault import Seal, Vault
from cdp.log.writing import Fact, all_sealed, fact_of
from cdp.suppression.listed import Suppressed
from consent.model import is_about_consent
from identity.identifiers import INFER, RULINGS, ruling
from profiles.fragment import PREDICT

BATCH = 1000

Progress: TypeAlias = Callable[[int, int], None]  # events read, of how many


@dataclass(slots=True)
class Tally:
    """What became of the events of a log."""

    read: int = 0
    new: int = 0
    destroyed: int = 0  # whose key is not there any more, or whose retention is over
    left_out: int = 0  # of people whose events may not be stored here
    suppressed: int = 0  # that name somebody suppressed here
    erased: int = 0  # received before their person was erased here
    guesses: int = 0  # of matching and of models, which are done anew here


class Ours(NamedTuple):
    """Where events go to."""

    database: Database
    keyring: Keyring
    partitions: int
    subject_of: Callable[[Event], SubjectId]
    suppressed: Suppressed


@dataclass(slots=True)
class Joining:
    """One run. `left_out` are subjects whose events may not be stored here."""

    ours: Ours
    connection: Connection
    vault: Vault  # of the other instance
    directory: Path
    manifest: Manifest
    left_out: Collection[SubjectId]
    progress: Progress = lambda done, of: None
    tally: Tally = field(default_factory=Tally)
    _sources: Mapping[int, int] = field(default_factory=dict)

    async def run(self, done: Collection[str], is_done: Callable[[str], None]) -> Tally:
        """All files but those that are done; each is reported when all of it is stored."""
        theirs.make_room(self.connection)
        for file in [each for name in theirs.TABLES for each in self.manifest.of(name)]:
            file.check(self.directory)
            theirs.keep(self.connection, file.table, file.columns, self._blocks(file))
        self._sources = theirs.sources(self.connection)
        todo = [file for file in self.manifest.of(EVENTS) if file.path not in done]
        total = sum(file.rows for file in todo)
        for file in todo:
            file.check(self.directory)
            for batch in self._batches(file):
                await self._take(batch, file)
                self.progress(self.tally.read, total)
            is_done(file.path)
        return self.tally

    def _blocks(self, file: File) -> Iterator[bytes]:
        return files.read(self.directory / file.path)

    def _batches(self, file: File) -> Iterator[list[tuple[SubjectId, bytes, bytes]]]:
        """Subject, id and payload, as the other instance has them."""
        at = [file.columns.index(name) for name in ("subject", "id", "payload")]
        batch = []
        for row in Rows(self._blocks(file)):
            batch.append((row[at[0]], row[at[1]], row[at[2]]))
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _take(self, batch: Sequence[tuple[SubjectId, bytes, bytes]], file: File) -> None:
        boxes = self._boxes({subject for subject, _, _ in batch})
        told = [
            found
            for subject, event_id, payload in batch
            if (found := self._told(boxes.get(subject), event_id, payload, file)) is not None
        ]
        self.tally.read += len(batch)
        await self._store(told)

    def _boxes(self, subjects: Collection[SubjectId]) -> dict[SubjectId, Seal]:
        """Their keys, as far as they were not destroyed."""
        renewed = theirs.renewed(self.connection, subjects)
        return {
            subject: self.vault.unwrap(subject, key, renewed=subject in renewed)
            for subject, key in theirs.keys(self.connection, subjects).items()
        }

    async def _store(self, told: Sequence[Fact]) -> None:
        """Without what names somebody suppressed, or came before its person was erased here."""
        database, keyring, suppressed = self.ours.database, self.ours.keyring, self.ours.suppressed
        while True:
            await suppressed.renew(database)
            async with database.transaction() as connection:
                await keyring.renew(connection)
            erasures, number = keyring.erasures, suppressed.number
            refused = suppressed.among(told)
            allowed = [fact for fact in told if fact.id not in refused]
            known = await keyring.known(database, {fact.subject for fact in allowed})
            kept = [fact for fact in allowed if not _erased(fact, known.get(fact.subject))]
            held = await keyring.ensure(database, {fact.subject for fact in kept})
            try:
                ready = all_sealed(kept, held)
                async with database.autocommit() as connection:
                    self.tally.new += await log_store.append(
                        connection, ready, self.ours.partitions, erasures, number
                    )
            except (IntegrityError, KeysDestroyed, log_store.Outdated):
                continue  # a collector stored one of these, or the list grew, or somebody is erased
            self.tally.suppressed += len(told) - len(allowed)
            self.tally.erased += len(allowed) - len(kept)
            return

    def _told(self, box: Seal | None, event_id: bytes, payload: bytes, file: File) -> Fact | None:
        if box is None or not payload:
            self.tally.destroyed += 1
            return None
        try:
            event = unpack_event(event_id, payload, box)
        except Unreadable:
            if box.renewed:
                self.tally.destroyed += 1
                return None
            raise Damaged(f"{file.path}: an event does not open ({file.told})") from None
        if event.type in {INFER, PREDICT}:
            self.tally.guesses += 1
            return None
        source, ours = self._sources[event.source], self.ours.keyring.vault
        event = replace(event, source=source, id=id_of(ours, event.message_id, source))
        if event.corrects:
            event = replace(event, corrects=corrected_by(ours, event))
        said = ruling(event)
        subject = self.ours.subject_of(event) if said is None else ours.subject(*said.a)
        if subject in self.left_out and not _says_consent(event):
            self.tally.left_out += 1
            return None
        return fact_of(event, subject, consent=_says_consent(event))


def _erased(fact: Fact, known: Known | None) -> bool:
    return known is not None and fact.received_at <= known.erased


def _says_consent(event: Event) -> bool:
    return is_about_consent(event) or event.type in RULINGS
