"""Puts a person together from what the domains know: for reading, for evaluating, for sending."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import consent.stage as consent_stage
import identity.store as identity_store
import profiles.store as profile_store
from activation.push.model import apart
from cdp import times
from cdp.cache import View, Views
from cdp.db import Connection
from cdp.events import Identifier, Instant, ProfileId, SubjectId
from cdp.log import store as log_store
from cdp.log.keyring import Keyring
from cdp.times import iso
from consent.model import Decision, decisions
from consent.standing import Standing, granted
from identity import inferences
from identity.rulebook import RuleBook
from identity.settling import certain
from profiles import segments
from profiles.fragment import parts
from profiles.model import Profile, Shown
from profiles.stage import Person, Profiles

Stands: TypeAlias = Mapping[str, Standing]
_TOLD = "predicted"
UNTIL = "until"  # in a cached view: from then on it is put together anew


@dataclass(frozen=True, slots=True)
class People:
    """Reads whole persons by profile id.

    `home` is the jurisdiction of those of whom nothing tells it; empty: the strictest.
    """

    keyring: Keyring
    profiles: Profiles
    views: Views
    home: str = ""

    async def nodes(
        self, connection: Connection, ids: Iterable[ProfileId]
    ) -> dict[ProfileId, list[SubjectId]]:
        """The identifiers of those of these ids that name a profile now."""
        return await identity_store.nodes_of(connection, list(ids))

    async def stands(
        self,
        connection: Connection,
        people: Mapping[ProfileId, Sequence[SubjectId]],
        now: Instant,
        tail: Mapping[SubjectId, Sequence[Decision]] | None = None,
    ) -> dict[ProfileId, Stands]:
        """How these people stand on every purpose; `tail` adds decisions not folded yet."""
        sides = await self._sides(connection, people)
        return await consent_stage.standings(connection, sides, self.home, now, tail)

    async def _sides(
        self, connection: Connection, people: Mapping[ProfileId, Sequence[SubjectId]]
    ) -> dict[ProfileId, list[list[SubjectId]]]:
        """The subjects of each person, apart where only likeness joins them."""
        sides = {profile: [list(nodes)] for profile, nodes in people.items()}
        likely = await inferences.about(connection, {n for each in people.values() for n in each})
        ends = {end for each in likely for end in each[:2]}
        mixed = {p: list(nodes) for p, nodes in people.items() if not ends.isdisjoint(nodes)}
        if mixed:
            rules = await RuleBook().refresh(connection)
            of = {node: profile for profile, nodes in mixed.items() for node in nodes}
            sides |= {profile: [] for profile in mixed}
            for nodes in (await certain(connection, rules, mixed)).values():
                sides[of[nodes[0]]].append(nodes)
        return sides

    async def names(
        self, connection: Connection, subjects: Iterable[SubjectId]
    ) -> dict[SubjectId, Identifier]:
        """The originals of identifiers that events of these subjects carried, by their hash."""
        carried = await self.carried(connection, subjects)
        return {self.keyring.vault.subject(*each): each for each in carried}

    async def carried(
        self, connection: Connection, subjects: Iterable[SubjectId]
    ) -> dict[Identifier, Instant]:
        """Identifiers that events of these subjects carried, and the first time of each."""
        fragments = await self.profiles.shelf.open(connection, subjects)
        found: dict[Identifier, Instant] = {}
        for part in (part for each in fragments.values() for part in parts(each)):
            for namespace, values in part.identifiers.items():
                for value, at in values.items():
                    each = Identifier(namespace, value)
                    found[each] = min(at, found.get(each, at))
        return found

    async def load(
        self, connection: Connection, ids: Iterable[ProfileId]
    ) -> dict[ProfileId, dict[str, Any]]:
        """Views of these profiles: from the cache where it is current, else put together anew."""
        versions = await profile_store.versions(connection, list(ids))
        cached = await self.views.get(versions)
        boxes = await self.keyring.load(connection, (subject for subject, _ in cached.values()))
        found = {
            profile: self.views.open(profile, data, boxes[subject])
            for profile, (subject, data) in cached.items()
            if subject in boxes
        }
        now = times.now()
        fresh = {profile for profile, each in found.items() if now < each.get(UNTIL, now + 1)}
        missing = {profile: versions[profile] for profile in versions.keys() - fresh}
        if missing:
            anew = await self._anew(connection, missing)
            await self._keep(connection, anew, missing)
            found |= {profile: each.content for profile, each in anew.items()}
        return {profile: shown(each) for profile, each in found.items()}

    async def imagined(
        self, connection: Connection, profile: ProfileId, nodes: Sequence[SubjectId], now: Instant
    ) -> dict[str, Any] | None:
        """The view of somebody who would have these identifiers; None if there is nothing of it."""
        stands = (await self.stands(connection, {profile: nodes}, now))[profile]
        unified = await self.profiles.unify(connection, {profile: nodes})
        if profile not in unified:
            return None
        person = Person(profile, list(nodes), granted(stands), None, "")
        signals = await consent_stage.signals(connection)
        inside = await self.profiles.inside(connection, [person], signals, now)
        keys = await segments.keys(connection)
        members = sorted(keys[each] for each in inside.get(profile, ()) if each in keys)
        computed = await self._computed(connection, {profile: nodes}, {profile: stands}, now)
        return shown(view(profile, unified[profile], members, stands, computed[profile]).content)

    async def _anew(
        self, connection: Connection, ids: Iterable[ProfileId]
    ) -> dict[ProfileId, View]:
        people = await self.nodes(connection, ids)
        now = times.now()
        stands = await self.stands(connection, people, now)
        unified = await self.profiles.unify(connection, people)
        computed = await self._computed(connection, people, stands, now)
        keys = await segments.keys(connection)
        inside: dict[ProfileId, list[str]] = {}
        for membership in await profile_store.memberships(connection, list(people)):
            inside.setdefault(membership.profile, []).append(keys.get(membership.segment, ""))
        return {
            profile: view(
                profile, each, sorted(inside.get(profile, ())), stands[profile], computed[profile]
            )
            for profile, each in unified.items()
        }

    async def _computed(
        self,
        connection: Connection,
        people: Mapping[ProfileId, Sequence[SubjectId]],
        stands: Mapping[ProfileId, Stands],
        now: Instant,
    ) -> Mapping[ProfileId, Shown]:
        signals = await consent_stage.signals(connection)
        each = [Person(p, nodes, granted(stands[p]), None, "") for p, nodes in people.items()]
        found = await self.profiles.computed(connection, each, signals, now)
        return defaultdict(lambda: Shown({}), found)

    async def _keep(
        self,
        connection: Connection,
        views: Mapping[ProfileId, View],
        versions: Mapping[ProfileId, int],
    ) -> None:
        """Cache views. What they show is at least as new as the version read before them."""
        boxes = await self.keyring.load(connection, {each.subject for each in views.values()})
        sealed = {
            profile: self.views.seal(profile, each, boxes[each.subject], versions[profile])
            for profile, each in views.items()
            if each.subject in boxes
        }
        await self.views.put(sealed)


def view(
    profile_id: ProfileId,
    profile: Profile,
    inside: Sequence[str],
    stands: Stands,
    computed: Shown,
) -> View:
    """A profile as it is cached: plain values, in the order the API shows them."""
    traits, push = apart(profile.traits)
    content = {
        "profile_id": profile_id,
        "identifiers": profile.identifiers,
        "traits": traits,
        "computed": computed.values,
        "groups": profile.groups,
        "segments": list(inside),
        "consent": {purpose: stand.state for purpose, stand in stands.items()},
        "first_seen": profile.first_seen,
        "last_seen": profile.last_seen,
        "timezone": profile.timezone or None,
        "active_hours": {str(hour): times for hour, times in profile.active_hours.items()},
        "events": {name: tally.count for name, tally in profile.events.items()},
    }
    if push:
        content["push"] = push
    if computed.predicted:
        content[_TOLD] = computed.predicted
    if computed.until is not None:
        content[UNTIL] = computed.until
    return View(profile.subject, content)


def shown(view: Mapping[str, Any]) -> dict[str, Any]:
    """A view as the API shows it."""
    told = {trait: {**said, "at": iso(said["at"])} for trait, said in view.get(_TOLD, {}).items()}
    return {
        **{name: value for name, value in view.items() if name != UNTIL},
        **({_TOLD: told} if told else {}),
        "profile_id": str(uuid.UUID(bytes=view["profile_id"])),
        "first_seen": iso(view["first_seen"]),
        "last_seen": iso(view["last_seen"]),
    }


async def unfolded_decisions(
    connection: Connection, keyring: Keyring, nodes: Iterable[SubjectId]
) -> dict[SubjectId, list[Decision]]:
    """Decisions that are in the log but not folded yet: acknowledged is what counts at the gate."""
    rows = await log_store.consent_tail(connection, list(nodes))
    found: dict[SubjectId, list[Decision]] = {}
    for event in await keyring.open_events(connection, rows):
        found.setdefault(event.subject, []).extend(decisions(event.event))
    return found
