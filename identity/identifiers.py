"""Which identifiers an event carries, and how strongly it says that they belong together."""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from typing import Any, NamedTuple

from cdp.events import Event, Identifier, Instant, mapping

USER_ID = "user_id"
ANONYMOUS_ID = "anonymous_id"
EMAIL = "email"
PHONE = "phone"

# Values that SDKs and forms send when they have no value; they would tie strangers together.
BLOCKED = frozenset({"", "null", "undefined", "anonymous", "-1", "test", "none"})
_NOTHING = "0-_ \t\r\n"
_NOT_PHONE = re.compile(r"[^0-9+]")
_NOT_NAMESPACE = re.compile(r"[^a-z0-9_.]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ALIASES = {"userid": USER_ID, "anonymousid": ANONYMOUS_ID, "emails": EMAIL, "e_mail": EMAIL}
_DEVICE = (("id", "device_id"), ("advertisingId", "advertising_id"), ("token", "push_token"))


class Kind(IntEnum):
    """Why two identifiers are linked, strongest first."""

    LOGIN = 1  # a user id and another identifier in an identify call
    IDENTIFY = 2  # a trait of an identify call: an e-mail address, a phone number
    ALIAS = 3  # said outright by an alias or merge call
    TOGETHER = 4  # on the same message
    INFERRED = 5  # by likeness
    LINKED = 6  # said by an operator; stands in no event, and comes before all others
    SPELLED = 7  # an identifier and what its spelling comes down to by the rules


class Link(NamedTuple):
    """Two identifiers that an event says belong together."""

    a: Identifier
    b: Identifier
    kind: Kind


class Named(NamedTuple):
    """An event's identifiers, strongest first, and every link it states."""

    identifiers: tuple[Identifier, ...]
    links: tuple[Link, ...]

    @property
    def subject(self) -> Identifier | None:
        """Whom the event belongs to; None when it names nobody."""
        return self.identifiers[0] if self.identifiers else None


class Ruling(NamedTuple):
    """An operator's word on two identifiers: that they are one person, or not."""

    a: Identifier
    b: Identifier
    together: bool
    at: Instant
    event: bytes


NOBODY = Named((), ())
RULINGS = {"link": True, "unlink": False}  # types of events that are an operator's word
INFER = "infer"  # the type of those that are matching's
TOLD = frozenset({*RULINGS, INFER, "retract"})  # none of them is a person's behaviour


def namespace_of(name: str) -> str:
    """`userId`, `user_id` and `User ID` are one namespace; any other name becomes one too."""
    snake = _NOT_NAMESPACE.sub("_", _CAMEL.sub("_", name.strip()).lower()).strip("_")[:64]
    return _ALIASES.get(snake.replace("_", ""), snake)


def normalised(namespace: str, value: object) -> Identifier | None:
    """An identifier that may link people, or None for what stands for no value at all.

    E-mail addresses are compared in Unicode NFKC and lower case, phone numbers by their digits.
    """
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        value = str(value)
    text = value.strip()
    if namespace == EMAIL:
        text = unicodedata.normalize("NFKC", text).lower()
        if "@" not in text:
            return None
    elif namespace == PHONE:
        text = _NOT_PHONE.sub("", text)
    if len(text) > 512 or text.lower() in BLOCKED or not text.strip(_NOTHING):
        return None
    return Identifier(namespace, text) if namespace else None


def read(event: Event) -> Named:
    """Everything an event says about who it is about. Pure; the order is strongest first.

    An event with neither a user id, an anonymous id nor an external id is about nobody, whatever
    else it carries: that is what an SDK sends when it is told not to follow people.
    """
    context = event.context
    login = Kind.LOGIN if event.type == "identify" else Kind.TOGETHER
    carried: dict[Identifier, Kind] = {}
    if event.user_id:
        _add(carried, USER_ID, event.user_id, login)
    if event.anonymous_id:
        _add(carried, ANONYMOUS_ID, event.anonymous_id, login)
    if "externalIds" in context:
        _read_external_ids(carried, context["externalIds"])
    said = _SAID[event.type](event) if event.type in _SAID else ()
    if not carried and event.type == "merge" and said:
        carried[said[0].a] = Kind.ALIAS
    if not carried:
        return NOBODY
    if event.type == "identify":
        _read_traits(carried, event.traits, Kind.IDENTIFY)
    if "traits" in context:
        kind = Kind.IDENTIFY if event.type == "identify" else Kind.TOGETHER
        _read_traits(carried, mapping(context["traits"]), kind)
    if "device" in context:
        _read_device(carried, mapping(context["device"]))
    first, *others = carried
    star = [Link(first, other, carried[other]) for other in others]
    return Named((first, *others), (*star, *said))


def subject(event: Event) -> Identifier | None:
    """What `read` says of the subject, without the rest: the collector asks for every event."""
    return (
        normalised(USER_ID, event.user_id)
        or normalised(ANONYMOUS_ID, event.anonymous_id)
        or read(event).subject
    )


def beside(event: Event) -> list[Identifier]:
    """Every identifier that an event names beside its subject, whoever it is about.

    More than `read` says, which goes by what ties people together: here a mere mention counts.
    """
    carried: dict[Identifier, Kind] = {}
    if event.anonymous_id and event.user_id:
        _add(carried, ANONYMOUS_ID, event.anonymous_id, Kind.TOGETHER)
    context = event.context
    if event.traits and event.type != "group":
        _read_traits(carried, event.traits, Kind.TOGETHER)
    if "traits" in context:
        _read_traits(carried, mapping(context["traits"]), Kind.TOGETHER)
    if "externalIds" in context:
        _read_external_ids(carried, context["externalIds"])
    if "device" in context:
        _read_device(carried, mapping(context["device"]))
    if event.previous_id:
        for namespace in (USER_ID, ANONYMOUS_ID):
            _add(carried, namespace, event.previous_id, Kind.ALIAS)
    if event.type == "merge":
        carried |= dict.fromkeys(_to_merge(event), Kind.ALIAS)
    if event.type in RULINGS:
        carried |= {Identifier(*each): Kind.LINKED for each in event.properties["identifiers"]}
    return list(carried)


def mentioned(event: Event) -> tuple[str | None, ...] | None:
    """All that `beside` and `subject` go by, as it stands there; None where that is more than text.

    Events that come with the same name the same; to find that out costs less than to read them.
    """
    context = event.context
    if "externalIds" in context or event.type in _NAMING_MORE:
        return None
    ids = event.user_id, event.anonymous_id, event.previous_id
    if event.traits or "traits" in context or "device" in context:
        device, traits = mapping(context.get("device")), mapping(context.get("traits"))
        own = {} if event.type == "group" else event.traits
        named = [each.get(name) for each in (traits, own) for name in (EMAIL, PHONE)]
        named += [device.get(name) for name, _ in _DEVICE]
        if not all(each is None or isinstance(each, str) for each in named):
            return None
        return *ids, *named
    return ids


def ruling(event: Event) -> Ruling | None:
    """What an operator said; None for every other event."""
    if event.type not in RULINGS:
        return None
    a, b = (Identifier(*each) for each in event.properties["identifiers"])
    return Ruling(a, b, RULINGS[event.type], event.at, event.id)


def _add(carried: dict[Identifier, Kind], namespace: str, value: Any, kind: Kind) -> None:
    identifier = normalised(namespace, value)
    if identifier is not None:
        carried.setdefault(identifier, kind)


def _read_external_ids(carried: dict[Identifier, Kind], external: object) -> None:
    for entry in external if isinstance(external, list) else ():
        fields = mapping(entry)
        if fields.get("collection", "users") == "users" and isinstance(fields.get("type"), str):
            _add(carried, namespace_of(fields["type"]), fields.get("id"), Kind.TOGETHER)


def _read_traits(carried: dict[Identifier, Kind], traits: dict[str, Any], kind: Kind) -> None:
    for namespace in (EMAIL, PHONE):
        if namespace in traits:
            _add(carried, namespace, traits[namespace], kind)


def _read_device(carried: dict[Identifier, Kind], device: dict[str, Any]) -> None:
    for field, namespace in _DEVICE:
        if field in device:
            _add(carried, namespace, device[field], Kind.TOGETHER)


def _aliased(event: Event) -> list[Link]:
    """`previousId` may be an anonymous id or a former user id: both are said to be this user."""
    user = normalised(USER_ID, event.user_id) or normalised(ANONYMOUS_ID, event.anonymous_id)
    if user is None or event.previous_id == user.value:
        return []
    former = (normalised(namespace, event.previous_id) for namespace in (USER_ID, ANONYMOUS_ID))
    return [Link(user, other, Kind.ALIAS) for other in former if other and other != user]


def _merged(event: Event) -> list[Link]:
    named = _to_merge(event)
    return [Link(named[0], other, Kind.ALIAS) for other in named[1:] if other != named[0]]


def _to_merge(event: Event) -> list[Identifier]:
    """RudderStack's merge call names two identifiers by type and value."""
    entries = event.extra.get("mergeProperties")
    named: list[Identifier] = []
    for entry in entries if isinstance(entries, list) else ():
        fields = mapping(entry)
        identifier = normalised(namespace_of(str(fields.get("type", ""))), fields.get("value"))
        if identifier is not None:
            named.append(identifier)
    return named


_NAMING_MORE = frozenset({"merge", *RULINGS})
_SAID = {"alias": _aliased, "merge": _merged}
