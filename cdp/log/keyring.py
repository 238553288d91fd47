"""Subjects' data keys at hand: loaded in bulk, made on first sight, kept within a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cdp.db import Connection, Database, Row, named
from cdp.errors import StoreUnavailable, Unreadable
from cdp.events import Event, Instant, SubjectId
from cdp.log import erasures
from cdp.log.codec import unpack_event
from cdp.log.store import Record
from cdp.log.vault import Seal, Vault

# Beside its key: when it was last erased, and its person's word on whether events may be stored.
_BESIDE = """
    (select at from erasures e where e.subject = x.id),
    case when exists (select from uncollectable u where u.subject = x.id) then false
         when exists (select from collectable c where c.subject = x.id) then true end
"""
_LOAD = named(
    f"""
    select x.id, s.key, {_BESIDE} from unnest(cast(:ids as bytea[])) x(id)
      left join subjects s on s.id = x.id
    """  # noqa: S608 - our own constant
)
_CREATE = named(
    f"""
    insert into subjects as x (id, key)
    select * from unnest(cast(:ids as bytea[]), cast(:keys as bytea[])) new(id, key)
     where (select count(*) from suppressions s where s.subject = new.id and not s.lifted) = 0
       and not exists (select from keyset where former = :check and settled_at is not null)
    on conflict (id) do nothing returning x.id, x.key, {_BESIDE}
    """  # noqa: S608 - our own constant
)

_GIVEN_UP = named(
    "select exists (select from keyset where former = :check and settled_at is not null)"
)


class Opened(NamedTuple):
    """A fact from the log in clear, and its subject."""

    subject: SubjectId
    event: Event


class Known(NamedTuple):
    """A person's word on whether a subject's events may be stored, and when they were erased."""

    collect: bool | None = None
    erased: Instant = -1  # of what was received up to then nothing is stored any more


class Held(NamedTuple):
    """A subject's open data key, and what is known of the subject.

    `gpc` is since when Global Privacy Control is on record, as far as this process put it there.
    """

    box: Seal
    known: Known
    gpc: Instant | None = None

    @property
    def collect(self) -> bool | None:
        """The person's word on whether events may be stored."""
        return self.known.collect


class Keyring:
    """An LRU of open data keys. A subject whose key was destroyed is simply not in the answer.

    `also_forget` are told whom else to forget; `erasures` is how many erasures it knows of.
    """

    def __init__(self, vault: Vault, *, size: int = 50_000) -> None:
        self.vault = vault
        self._size = size
        self._held: OrderedDict[SubjectId, Held] = OrderedDict()
        self._forgets = 0
        self.erasures = erasures.UNKNOWN
        self.also_forget: list[Callable[[Iterable[SubjectId]], None]] = []

    async def load(
        self, connection: Connection, subjects: Iterable[SubjectId]
    ) -> dict[SubjectId, Seal]:
        """The keys of these subjects, as far as they exist."""
        held, _ = await self._read(connection, set(subjects))
        return {subject: each.box for subject, each in held.items()}

    async def renewed(
        self, connection: Connection, subjects: Iterable[SubjectId]
    ) -> dict[SubjectId, Seal]:
        """The same after `renew`: what a chunk begins with, while which nobody is erased."""
        await self.renew(connection)
        return await self.load(connection, subjects)

    async def known(self, database: Database, subjects: set[SubjectId]) -> dict[SubjectId, Known]:
        """What is known of these subjects, whether or not an event of theirs was ever stored."""
        if subjects <= self._held.keys():
            return {subject: self._held[subject].known for subject in subjects}
        async with database.autocommit() as connection:
            held, strangers = await self._read(connection, subjects)
        return strangers | {subject: each.known for subject, each in held.items()}

    async def ensure(
        self, database: Database, subjects: Iterable[SubjectId]
    ) -> dict[SubjectId, Held]:
        """The keys of these subjects, made for those that are not at hand, where there is none.

        Concurrent makers agree on one. For subjects in the suppression list none is made.
        StoreUnavailable if the master key was changed, and this process has not taken it up yet.
        """
        wanted = set(subjects)
        found, missing = self._at_hand(wanted)
        if not missing:
            return found
        forgets = self._forgets
        ids = sorted(missing)
        values = {"ids": ids, "keys": [self.vault.new_key(each) for each in ids]}
        async with database.autocommit() as connection:
            made = (await connection.execute(_CREATE, values | {"check": self.vault.check})).all()
        found |= self._opened(made, forgets)  # committed: nothing else would open what these seal
        if not wanted <= found.keys():
            async with database.autocommit() as connection:
                others, _ = await self._read(connection, wanted - found.keys())
                found |= others
                if not wanted <= found.keys():
                    await self._must_be_in_force(connection)
        return found

    async def _must_be_in_force(self, connection: Connection) -> None:
        given_up = await connection.execute(_GIVEN_UP, {"check": self.vault.check})
        if given_up.scalar_one():
            raise StoreUnavailable("the master key was changed; it is taken up in a moment")

    async def open_events(self, connection: Connection, records: Sequence[Record]) -> list[Opened]:
        """The facts in these records, in order; those whose key was destroyed are left out."""
        return list(opened(records, await self.load(connection, (r.key for r in records))))

    def gpc(self, subject: SubjectId) -> Instant | None:
        """Since when Global Privacy Control is on record; None: not that this process knows."""
        held = self._held.get(subject)
        return None if held is None else held.gpc

    def note_gpc(self, subject: SubjectId, at: Instant, box: Seal) -> None:
        """It was recorded, sealed with this key; nothing if that has been forgotten meanwhile."""
        held = self._held.get(subject)
        if held is not None and held.box is box and (held.gpc is None or at < held.gpc):
            self._held[subject] = held._replace(gpc=at)

    async def renew(self, connection: Connection) -> None:
        """Forget whose keys were destroyed, here and in `also_forget`.

        Nothing comes between reading and forgetting: others of this process share what is held.
        """
        news = await erasures.since(connection, self.erasures)
        if self.erasures == erasures.UNKNOWN:
            self.forget_all()
        self.erasures = max(self.erasures, news.total)
        if news.subjects:
            self.forget(news.subjects)

    def forget(self, subjects: Iterable[SubjectId]) -> None:
        """Drop what is remembered of these subjects: their key or their consent has changed."""
        self._forgets += 1
        gone = list(subjects)
        for subject in gone:
            self._held.pop(subject, None)
        for also in self.also_forget:
            also(gone)

    def forget_all(self) -> None:
        """Start afresh, after changes may have been missed."""
        self._forgets += 1
        self._held.clear()

    def _at_hand(
        self, subjects: Iterable[SubjectId]
    ) -> tuple[dict[SubjectId, Held], list[SubjectId]]:
        found: dict[SubjectId, Held] = {}
        missing: list[SubjectId] = []
        for subject in subjects:
            held = self._held.get(subject)
            if held is None:
                missing.append(subject)
            else:
                self._held.move_to_end(subject)
                found[subject] = held
        return found, missing

    async def _read(
        self, connection: Connection, subjects: set[SubjectId]
    ) -> tuple[dict[SubjectId, Held], dict[SubjectId, Known]]:
        """Those that have a key, and what is known of the others."""
        found, missing = self._at_hand(subjects)
        if not missing:
            return found, {}
        forgets = self._forgets
        rows = (await connection.execute(_LOAD, {"ids": missing})).all()
        found |= self._opened([row for row in rows if row[1] is not None], forgets)
        return found, {row[0]: _known(row[3], row[2]) for row in rows if row[1] is None}

    def _opened(self, rows: Sequence[Row], forgets: int) -> dict[SubjectId, Held]:
        """Also at hand from now on, unless what was read may be out of date by now."""
        found: dict[SubjectId, Held] = {}
        for subject, wrapped, erased, collect in rows:
            box = self.vault.unwrap(subject, wrapped, renewed=erased is not None)
            found[subject] = Held(box, _known(collect, erased))
            if forgets == self._forgets:
                self._held[subject] = found[subject]
        while len(self._held) > self._size:
            self._held.popitem(last=False)
        return found


def opened(records: Iterable[Record], boxes: Mapping[SubjectId, Seal]) -> Iterator[Opened]:
    """The facts in these records, one by one.

    Those whose key is not among these are left out, and those whose retention is over.
    Who was erased and came back has another key: what that does not open is of their life before.
    """
    for _, key, event_id, payload in records:
        box = boxes.get(key)
        if box is None or not payload:
            continue
        try:
            event = unpack_event(event_id, payload, box)
        except Unreadable:
            if box.renewed:
                continue
            raise
        yield Opened(key, event)


def _known(collect: bool | None, erased: Instant | None) -> Known:
    return Known(collect, -1 if erased is None else erased)
