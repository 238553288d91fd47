"""What an evaluation leaves to be written: memberships, and two ledgers of how they came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cdp.events import Instant, ProfileId
from profiles.carrying import Carried
from profiles.store import Change, Membership


class Occasion(NamedTuple):
    """When somebody is looked at, and why."""

    at: Instant
    cause: str


class Settled(NamedTuple):
    """Filled person by person."""

    dues: dict[ProfileId, Instant | None]
    memberships: list[Membership]
    changes: list[Change]  # that are told
    carried: list[Carried]  # that are not
    moved: set[ProfileId]  # profiles, also former ones, whose memberships are written anew

    def note(
        self,
        profile: ProfileId,
        known: Sequence[Membership],
        member_of: set[int],
        keys: Mapping[int, str],
        now: Occasion,
    ) -> None:
        """Compare with what was known under any of the person's former profile ids."""
        since = _since(known)
        if since.keys() == member_of and all(
            each.profile == profile and not each.carried for each in known
        ):
            return
        told = {each.segment for each in known if not each.carried}
        self.moved.update(each.profile for each in known)
        self.moved.add(profile)
        for segment in sorted(member_of):
            self.memberships.append(Membership(profile, segment, since.get(segment, now.at)))
        for segment in sorted(member_of ^ since.keys()):
            # A deleted segment is left without a word, and so is one that nobody heard of.
            if segment in keys and (segment in member_of or segment in told):
                entered = segment in member_of
                self.changes.append(Change(keys[segment], profile, entered, *now))
        self._carry(profile, known, member_of, keys, now.at)

    def _carry(
        self,
        profile: ProfileId,
        known: Sequence[Membership],
        member_of: set[int],
        keys: Mapping[int, str],
        now: Instant,
    ) -> None:
        """What came and went under each profile id without being told as an entry or exit."""
        own = {each.segment: each.since for each in known if each.profile == profile}
        told = {each.segment for each in known if not each.carried}
        first = _since(known)
        stays = {segment: first[segment] for segment in member_of & first.keys()}
        rows = [
            (each.segment, each.profile, False, each.since)
            for each in known
            if each.profile != profile
        ]
        rows += [
            (segment, profile, True, since)
            for segment, since in stays.items()
            if own.get(segment) != since
        ]
        rows += [
            (segment, profile, False, since)
            for segment, since in own.items()
            if segment not in member_of and segment not in told
        ]
        self.carried.extend(
            Carried(keys[segment], who, entered, now, since)
            for segment, who, entered, since in rows
            if segment in keys
        )


def _since(known: Sequence[Membership]) -> dict[int, Instant]:
    since: dict[int, Instant] = {}
    for each in known:
        since[each.segment] = min(each.since, since.get(each.segment, each.since))
    return since
