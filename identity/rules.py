"""Identity rules as data: what may link people, how much of it one person has, what is nobody's."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cdp.events import Identifier, Instant
from identity import spelling
from identity.graph import Node, NodeId
from identity.identifiers import ANONYMOUS_ID, EMAIL, PHONE, USER_ID, Kind

STRENGTH = (Kind.LOGIN, Kind.IDENTIFY, Kind.ALIAS, Kind.TOGETHER, Kind.INFERRED)


@dataclass(frozen=True, slots=True)
class Namespace:
    """Rules for the identifiers of one namespace. None lifts a bound.

    A value that is linked directly with more than `people` identifiers of limited namespaces, or
    with more than `neighbours` of any, is shared by strangers: it links nobody.
    """

    limit: int | None = None  # how many of them one profile may have
    people: int | None = 20
    neighbours: int | None = 500
    links: bool = True  # whether they may link at all
    blocked: tuple[str, ...] = ()  # values, or patterns with * and ?, that link nobody
    providers: bool = False  # e-mail addresses that a provider delivers to one box are one
    region: str = ""  # phone numbers are read as those of this country, and are one in E.164

    def blocks(self, value: str) -> bool:
        """Whether this value links nobody, whatever is said about it."""
        return not self.links or any(fnmatch.fnmatchcase(value, each) for each in self.blocked)


DEFAULTS: Mapping[str, Namespace] = MappingProxyType(
    {
        USER_ID: Namespace(limit=1, people=None, neighbours=None),
        EMAIL: Namespace(limit=5),
        PHONE: Namespace(limit=5),
    }
)


@dataclass(frozen=True, slots=True)
class Rules:
    """How links become people. `review` is how many identifiers make a profile large.

    Whatever `strength` says, inferred links come after all others.
    """

    namespaces: Mapping[str, Namespace] = field(default_factory=lambda: DEFAULTS)
    others: Namespace = Namespace()
    priority: tuple[str, ...] = (USER_ID, ANONYMOUS_ID)
    strength: tuple[Kind, ...] = STRENGTH
    review: int | None = 25
    confidence: float | None = None  # inferred links at least that probable count; None: none do

    def of(self, namespace: str) -> Namespace:
        """The rules of a namespace."""
        return self.namespaces.get(namespace, self.others)

    @property
    def blocking(self) -> tuple[tuple[str, bool, tuple[str, ...]], ...]:
        """All that decides what is blocked."""
        every = {**self.namespaces, "": self.others}
        return tuple((name, each.links, each.blocked) for name, each in sorted(every.items()))

    @property
    def marking(self) -> tuple[object, ...]:
        """All that decides what is marked in the graph before it is resolved."""
        every = sorted({**self.namespaces, "": self.others}.items())
        return self.blocking, tuple((name, each.providers, each.region) for name, each in every)

    @property
    def block_anything(self) -> bool:
        """Whether there is anything that they block."""
        return any(not links or blocked for _, links, blocked in self.blocking)

    @property
    def reads_spellings(self) -> bool:
        """Whether any two spellings count as one."""
        return any(each.providers or each.region for each in self._every())

    def spelled(self, identifier: Identifier) -> Identifier | None:
        """What an identifier comes down to, as a node of its own; None if nothing asks for it."""
        rule = self.of(identifier.namespace)
        value: str | None = None
        if rule.providers and "@" in identifier.value:
            value = spelling.address(identifier.value)
        elif rule.region:
            value = spelling.number(identifier.value, rule.region)
        return spelling.marked(identifier.namespace, value) if value else None

    def _every(self) -> tuple[Namespace, ...]:
        return (*self.namespaces.values(), self.others)

    def blocks(self, identifier: Identifier) -> bool:
        """Whether an identifier links nobody."""
        return self.of(identifier.namespace).blocks(identifier.value)

    def weight(self, kind: int) -> int:
        """Orders links, the strongest first; what an operator said comes before all."""
        return -1 if kind in {Kind.LINKED, Kind.SPELLED} else self.strength.index(Kind(kind))

    def rank(self, node: Node) -> tuple[Instant, int, NodeId]:
        """Orders nodes by who names the profile: earliest, then strongest, then smallest id."""
        try:
            strength = self.priority.index(node.namespace)
        except ValueError:
            strength = len(self.priority) + node.namespace.startswith(spelling.MARK)
        return node.first_seen, strength, node.id

    @property
    def fewest_shared(self) -> int | None:
        """With no more links than this, no identifier is shared; None if none ever is."""
        bounds = [bound for each in self._every() for bound in (each.people, each.neighbours)]
        return min((bound for bound in bounds if bound is not None), default=None)

    def is_plain(self, sizes: Mapping[str, int]) -> bool:
        """Whether so many identifiers, by namespace, can break no rule however they are linked."""
        total = sum(sizes.values())
        limited = sum(size for name, size in sizes.items() if self.of(name).limit is not None)
        if self.review is not None and total >= 2 * self.review:
            return False
        return all(
            within(size, rule.limit)
            and within(limited, rule.people)
            and within(total, rule.neighbours)
            for size, rule in ((size, self.of(name)) for name, size in sizes.items())
        )


def within(count: int, bound: int | None) -> bool:
    """Whether a count keeps a bound; None is none."""
    return bound is None or count <= bound
