"""A tracking plan, and an event held against it. Pure: what comes of it is the collector's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

Unplanned: TypeAlias = Literal["allow", "quarantine"]
Violating: TypeAlias = Literal["allow", "strip", "quarantine"]
Properties: TypeAlias = dict[str, Any]

KEPT, STRIPPED, QUARANTINED = "kept", "stripped", "quarantined"
OUTCOMES = (KEPT, STRIPPED, QUARANTINED)
UNPLANNED = "unplanned"  # the rule that an event breaks whose name the plan does not know

# All errors of an event are made at once, 10 µs each, and a large one may have thousands: there
# each property is looked at by itself, and what is wrong is told of so many.
_SMALL = 200  # values
_MOST_TOLD = 20
# What JSON Schema says of properties one by one.
_OF_EACH = frozenset(
    {"$schema", "$defs", "properties", "patternProperties", "additionalProperties", "propertyNames"}
)


class Plan(NamedTuple):
    """What a source may send, as it was written, and the number of the change."""

    source: int
    version: int
    owner: str
    unplanned: Unplanned
    violations: Violating
    events: Mapping[str, Mapping[str, Any]]  # by name: the JSON Schema of the properties


class Violation(NamedTuple):
    """A rule of the plan that an event breaks; no property: by the event as a whole."""

    property: str
    rule: str  # the keyword of JSON Schema, or UNPLANNED


class Judged(NamedTuple):
    """An event that is not as planned: the properties that are left of it, and what becomes of it.

    Of violations each is told once, in order.
    """

    properties: Properties
    violations: tuple[Violation, ...]
    outcome: str


class Validator(NamedTuple):
    """Of an event: all that its schema says, and what it says of each property by itself."""

    whole: Draft202012Validator
    each: Draft202012Validator
    names: frozenset[str]  # of properties that it speaks of


class Rules(NamedTuple):
    """A plan ready to be applied."""

    version: int
    unplanned: Unplanned
    violations: Violating
    validators: Mapping[str, Validator]

    def judge(self, name: str, properties: Properties) -> Judged | None:
        """What is wrong with an event, if anything is."""
        validator = self.validators.get(name)
        if validator is None:
            outcome = QUARANTINED if self.unplanned == "quarantine" else KEPT
            return Judged(properties, (Violation("", UNPLANNED),), outcome)
        if validator.whole.is_valid(properties):
            return None
        if self.violations == "strip":
            return stripped(validator, properties)
        outcome = QUARANTINED if self.violations == "quarantine" else KEPT
        found = _found(validator, properties)
        return Judged(properties, _ordered(found), outcome)

    def reason(self, name: str, judged: Judged) -> tuple[str, str]:
        """For the quarantine: the field, and what is wrong with it.

        It stands in clear there, so it tells no value, and no name that the plan does not tell.
        """
        first, more = judged.violations[0], len(judged.violations) - 1
        if first.rule == UNPLANNED:
            return "event", f"is not in the tracking plan (version {self.version})"
        known = first.property in self.validators[name].names
        field = f"properties.{first.property}" if known else "properties"
        rest = f", and {more} more" if more else ""
        return field, f"breaks {first.rule!r} of the tracking plan (version {self.version}){rest}"


class _Found(NamedTuple):
    violation: Violation | None  # None: one of too many
    culprit: str | None  # the property whose removal heals it


def validator_of(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Compiled: nothing is fetched, formats count, and a pattern takes linear time to match.

    ValidationError if it is no JSON Schema, or names what is not in it.
    """
    return Draft202012Validator(
        dict(schema), validate_formats=True, offline=True, pattern_options=RegexOptions()
    )


def rules_of(plan: Plan) -> Rules:
    """Compile a plan."""
    validators = {
        name: Validator(
            validator_of(schema),
            validator_of({key: value for key, value in schema.items() if key in _OF_EACH}),
            frozenset({*schema.get("properties", ()), *schema.get("required", ())}),
        )
        for name, schema in plan.events.items()
    }
    return Rules(plan.version, plan.unplanned, plan.violations, validators)


def stripped(validator: Validator, properties: Properties) -> Judged:
    """Without the properties that break a rule; every other one is as it was.

    Taking one out may make another rule be broken: it goes on until nothing is left to take out.
    """
    left, every = dict(properties), list[_Found]()
    for _ in range(len(properties) + 1):
        found = _found(validator, left)
        every += found
        culprits = {each.culprit for each in found if each.culprit is not None}
        if not culprits:
            break
        left = {name: value for name, value in left.items() if name not in culprits}
    outcome = STRIPPED if len(left) < len(properties) else KEPT
    return Judged(left, _ordered(every), outcome)


def _ordered(found: Iterable[_Found]) -> tuple[Violation, ...]:
    return tuple(sorted({each.violation for each in found if each.violation is not None}))


def _found(validator: Validator, properties: Properties) -> list[_Found]:
    if _is_small(properties):
        return [each for error in validator.whole.iter_errors(properties) for each in _told(error)]
    found = [each for each in _first(validator.whole, properties) if each.culprit is None]
    for name, value in properties.items():
        alone = {name: value}
        if validator.each.is_valid(alone):
            continue
        if len(found) < _MOST_TOLD:
            found += [each._replace(culprit=name) for each in _first(validator.each, alone)]
        else:
            found.append(_Found(None, name))
    return found


def _first(validator: Draft202012Validator, properties: Properties) -> list[_Found]:
    try:
        validator.validate(properties)
    except ValidationError as error:
        return list(_told(error))
    return []


def _told(error: ValidationError) -> Iterator[_Found]:
    kind: Any = error.kind
    rule: str = kind.name
    if error.instance_path:
        name = str(error.instance_path[0])
        yield _Found(Violation(name, rule), name)
    elif rule in {"additionalProperties", "unevaluatedProperties"}:
        for name in kind.unexpected:
            yield _Found(Violation(name, rule), name)
    elif rule == "propertyNames" and isinstance(kind.error.instance, str):
        yield _Found(Violation(kind.error.instance, rule), kind.error.instance)
    elif rule == "required":
        yield _Found(Violation(kind.property, rule), None)
    else:
        yield _Found(Violation("", rule), None)


def _is_small(properties: Properties) -> bool:
    left: list[Any] = [properties]
    seen = 0
    while left:
        each = left.pop()
        inner = each.values() if isinstance(each, dict) else each
        seen += len(inner)
        if seen > _SMALL:
            return False
        left += [value for value in inner if isinstance(value, dict | list)]
    return True
