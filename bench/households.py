"""Simulated households whose truth is known: people, the devices they share, and what they tell.

Homes have one to five people and one address of the internet. Each person has a phone, most a
computer, and half of the homes with several people share a tablet. Browsers lose their cookies now
and then, so that a device is known by several ids. Phones are seen in their company's network too,
with thousands of others, and people at work in their office's. Behind an id somebody signs in,
fills in a form as a guest (with slips, and with one address of several), or tells nothing. On what
a household shares people sign in: an address that is typed without signing in on somebody else's
device is a fact that no rule can tell from a second address of theirs.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cdp.events import SCHEMA, Event

DAY = 86_400_000_000
START = 20_700 * DAY
DAYS = 14
NAMESAKES = 0.3  # of those who would get the name of somebody at home, as a son his father's
ALLOWS: dict[str, Any] = {"consent": {"categoryPreferences": {"profiling": True}}}
_SIZES = ((1, 0.4), (2, 0.33), (3, 0.12), (4, 0.11), (5, 0.04))
_AGENTS = {
    "phone": ("iPhone Safari", "Android Chrome", "Android SamsungBrowser"),
    "computer": ("Windows Chrome", "Windows Edg", "Mac OS Safari", "Windows Firefox"),
    "tablet": ("iPad Safari", "Android Chrome"),
}


class Person(NamedTuple):
    """Who somebody is."""

    number: int
    traits: dict[str, Any]
    emails: tuple[str, ...]
    user_id: str
    office: str  # the network at work; empty for those who do not go to one


@dataclass(slots=True)
class World:
    """Events, and who is behind each id; ids of shared devices are nobody's."""

    events: list[Event] = field(default_factory=list)
    owner: dict[tuple[str, str], int] = field(default_factory=dict)


class _Names:
    """Names as unevenly spread as people's are."""

    def __init__(self, chance: random.Random, count: int) -> None:
        self._names = sorted({_word(chance, 4, 9) for _ in range(count)})
        chance.shuffle(self._names)
        self._weights = [1 / (rank + 3) for rank in range(len(self._names))]

    def draw(self, chance: random.Random) -> str:
        return chance.choices(self._names, self._weights)[0]


def _word(chance: random.Random, least: int, most: int) -> str:
    return "".join(
        chance.choice("bcdfghklmnprst" if n % 2 else "aeiou")
        for n in range(chance.randint(least, most))
    )


def simulate(homes: int, seed: int = 11) -> World:
    """So many households, over two weeks."""
    return _Simulation(random.Random(seed)).run(homes)


class _Simulation:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.world = World()
        self.first = _Names(chance, 500)
        self.last = _Names(chance, 4000)
        self.people = 0
        self.boxes: set[str] = set()
        self.ids = 0

    def run(self, homes: int) -> World:
        for number in range(homes):
            self._home(number, homes)
        self.world.events.sort(key=lambda each: each.timestamp)
        return self.world

    def _home(self, number: int, homes: int) -> None:
        chance = self.chance
        network = f"81.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        size = chance.choices([s for s, _ in _SIZES], [w for _, w in _SIZES])[0]
        name, street = self.last.draw(chance), f"{_word(chance, 5, 9)} {chance.randint(1, 90)}"
        city = f"{_word(random.Random(chance.randint(0, homes // 20)), 5, 8)}"
        postcode = f"{10_000 + hash_of(city) % 80_000 + chance.randint(0, 9)}"
        home = {"street": street, "city": city, "postalCode": postcode}
        people: list[Person] = []
        for place in range(size):
            people.append(self._person(place, name, home, homes, people))
        for person in people:
            self._device("phone", [person], network)
            if chance.random() < 0.7:
                self._device("computer", [person], network)
        if size > 1 and chance.random() < 0.5:
            self._device("tablet", chance.sample(people, 2), network)

    def _person(
        self, place: int, name: str, home: dict[str, str], homes: int, others: list[Person]
    ) -> Person:
        chance = self.chance
        year = chance.randint(1945, 1985) if place < 2 else chance.randint(1990, 2007)
        first = self.first.draw(chance)
        taken = {other.traits["firstName"] for other in others}
        while first in taken and chance.random() > NAMESAKES:
            first = self.first.draw(chance)
        last = name if chance.random() < 0.8 else self.last.draw(chance)
        self.people += 1
        birthday = f"{year}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        traits = {"firstName": first, "lastName": last, "birthday": birthday, "address": home}
        box = chance.choice((f"{first}.{last}", f"{first[0]}{last}", f"{first}{year}"))
        box += str(chance.randint(1, 9999))
        while box in self.boxes:
            box += str(chance.randint(0, 9))
        self.boxes.add(box)
        emails = tuple(f"{box}@{host}.example" for host in ("mail", "work"))
        office = f"82.0.{chance.randint(0, homes // 100)}.7" if chance.random() < 0.4 else ""
        return Person(self.people, traits, emails, f"u{self.people}", office)

    def _device(self, kind: str, people: list[Person], network: str) -> None:
        chance = self.chance
        agent = chance.choice(_AGENTS[kind])
        for _ in range(1 + (chance.random() < 0.35)):  # a browser that lost its cookies
            self.ids += 1
            device = f"d{self.ids}"
            if len(people) == 1:
                self.world.owner["anonymous_id", device] = people[0].number
            for person in people:
                self._use(kind, device, agent, person, network, shared=len(people) > 1)

    def _use(
        self, kind: str, device: str, agent: str, person: Person, network: str, *, shared: bool
    ) -> None:
        chance = self.chance
        seen = [day for day in range(DAYS) if chance.random() < 0.5] or [0]
        self._see(device, agent, network, seen[0], ALLOWS)
        for day in seen:
            self._see(device, agent, network, day)
            if kind == "phone" and chance.random() < 0.7:
                self._see(device, agent, f"83.0.0.{chance.randint(1, 20)}", day)
            if person.office and kind != "tablet" and chance.random() < 0.4:
                self._see(device, agent, person.office, day)
        told = chance.random()
        if told < 0.35 or shared:
            traits = person.traits | {"email": person.emails[0]}
            self._tell(device, agent, network, seen[-1], traits, user_id=person.user_id)
            self.world.owner["user_id", person.user_id] = person.number
            self.world.owner["email", person.emails[0]] = person.number
        elif told < 0.88:
            self._tell(device, agent, network, seen[-1], self._form(person))

    def _form(self, person: Person) -> dict[str, Any]:
        """What a guest fills in: not all of it, and not without slips."""
        chance = self.chance
        address = {k: self._slip(v) for k, v in person.traits["address"].items()}
        form = {"address": address}
        for name in ("firstName", "lastName"):
            form[name] = self._slip(person.traits[name])
        if chance.random() < 0.4:
            form["birthday"] = self._slip(person.traits["birthday"])
        if chance.random() < 0.5:
            form["email"] = chance.choice(person.emails)
            self.world.owner["email", form["email"]] = person.number
        return form

    def _slip(self, value: str) -> str:
        chance = self.chance
        if chance.random() > 0.06:
            return value
        at = chance.randrange(len(value))
        if value[at].isdigit():
            return value[:at] + chance.choice(string.digits) + value[at + 1 :]
        if value[at].isalpha():
            return value[:at] + chance.choice(("", value[at] * 2, "e")) + value[at + 1 :]
        return value

    def _see(
        self,
        device: str,
        agent: str,
        network: str,
        day: int,
        more: dict[str, Any] | None = None,
    ) -> None:
        context = {"ip": network, "userAgent": agent} | (more or {})
        self._add("page", day, anonymous_id=device, context=context)

    def _tell(
        self, device: str, agent: str, network: str, day: int, traits: dict[str, Any], **who: str
    ) -> None:
        context = {"ip": network, "userAgent": agent} | ALLOWS
        self._add("identify", day, anonymous_id=device, traits=traits, context=context, **who)

    def _add(self, kind: Any, day: int, **fields: Any) -> None:
        number = len(self.world.events)
        at = START + day * DAY + self.chance.randrange(DAY)
        digest = number.to_bytes(16, "big")
        self.world.events.append(Event(SCHEMA, kind, digest, 1, str(number), at, at, **fields))


def hash_of(text: str) -> int:
    """The same in every process."""
    return int.from_bytes(text.encode()[:6], "big")
