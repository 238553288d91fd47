"""Identity as operators write it: their word on two identifiers, and the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from cdp.forms import Flag, Form, Number, WholeNumber, Written
from identity import spelling
from identity.identifiers import Kind, namespace_of
from identity.rules import DEFAULTS, STRENGTH, Namespace, Rules

_REF = Written(r"^[A-Za-z][A-Za-z0-9_.]*:[\s\S]+$", error="Write it as namespace:value.")


class RulingSchema(Form):
    """Two identifiers, and why they are or are not the same person."""

    a = fields.String(
        required=True,
        validate=[validate.Length(max=600), _REF],
        metadata={"example": "user_id:ada"},
    )
    b = fields.String(
        required=True,
        validate=[validate.Length(max=600), _REF],
        metadata={"example": "email:info@example.com"},
    )
    reason = fields.String(
        required=True,
        validate=validate.Length(1, 1000),
        metadata={"example": "the call centre typed its own address"},
    )
    by = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "who says so", "example": "eve"}
    )


def _bound(about: str) -> WholeNumber:
    return WholeNumber(
        allow_none=True, validate=validate.Range(1, 1_000_000), metadata={"description": about}
    )


def _region(value: str) -> None:
    if value and not spelling.is_region(value):
        raise ValidationError("Must be a country in two capital letters, like DE, or empty.")


class NamespaceSchema(Form):
    """Rules for one namespace; null lifts a bound, and what is left out keeps its default."""

    limit = _bound("how many of them one profile may have")
    people = _bound("linked directly with more user ids, addresses or numbers, it is shared")
    neighbours = _bound("linked directly with more identifiers of any kind, it is shared")
    links = Flag(metadata={"description": "whether they may link at all"})
    blocked = fields.List(
        fields.String(validate=validate.Length(1, 512)),
        validate=validate.Length(max=1000),
        metadata={"description": "values, or patterns with * and ?, that link nobody"},
    )
    providers = Flag(
        metadata={"description": "e-mail addresses that a provider delivers to one box are one"}
    )
    region = fields.String(
        validate=_region,
        metadata={"description": "phone numbers are read as those of this country, like DE"},
    )


_NAMESPACE = Written("^[a-z0-9][a-z0-9_.]{0,63}$", error="Must be a namespace, like crm_id.")
_KINDS = [kind.name.lower() for kind in STRENGTH]


class RulesSchema(Form):
    """How links become people. What is left out keeps its default."""

    namespaces = fields.Dict(
        keys=fields.String(validate=_NAMESPACE),
        values=fields.Nested(NamespaceSchema),
        load_default=dict,
        validate=validate.Length(max=100),
    )
    others = fields.Nested(NamespaceSchema, load_default=dict)
    priority = fields.List(
        fields.String(validate=_NAMESPACE),
        load_default=lambda: list(Rules().priority),
        validate=validate.Length(max=100),
        metadata={"description": "which names a profile, of identifiers first seen at once"},
    )
    strength = fields.List(
        fields.String(validate=validate.OneOf(_KINDS)),
        load_default=lambda: list(_KINDS),
        metadata={
            "description": "the kinds of links, the strongest first; what is left out comes after",
            "uniqueItems": True,
        },
    )
    review = WholeNumber(
        allow_none=True,
        load_default=Rules().review,
        validate=validate.Range(2, 1_000_000),
        metadata={"description": "a weak union of two profiles of this size awaits a review"},
    )
    confidence = Number(
        allow_none=True,
        load_default=Rules().confidence,
        validate=validate.Range(0.5, 1),
        metadata={
            "description": "links that matching infers count if at least so probable; null: none"
        },
    )

    @validates_schema
    def check_strength(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Each kind has one place."""
        kinds = data.get("strength", ())
        if len(set(kinds)) < len(kinds):
            raise ValidationError("Must have each kind only once.", "strength")


def rules_of(loaded: Mapping[str, Any]) -> Rules:
    """The rules that a checked form says."""
    namespaces = dict(DEFAULTS)
    for name, changed in loaded["namespaces"].items():
        space = namespace_of(name)
        namespaces[space] = _changed(namespaces.get(space, Namespace()), changed)
    strength = [Kind[name.upper()] for name in loaded["strength"]]
    return Rules(
        namespaces,
        _changed(Namespace(), loaded["others"]),
        tuple(loaded["priority"]),
        (*strength, *(kind for kind in STRENGTH if kind not in strength)),
        loaded["review"],
        loaded["confidence"],
    )


def _changed(default: Namespace, changed: Mapping[str, Any]) -> Namespace:
    named: dict[str, Any] = dict(changed)
    if "blocked" in named:
        named["blocked"] = tuple(named["blocked"])
    return replace(default, **named)


def written(rules: Rules) -> dict[str, Any]:
    """The rules with everything said, as the form takes them."""
    return {
        "namespaces": {name: _written(each) for name, each in sorted(rules.namespaces.items())},
        "others": _written(rules.others),
        "priority": list(rules.priority),
        "strength": [kind.name.lower() for kind in rules.strength],
        "review": rules.review,
        "confidence": rules.confidence,
    }


def _written(namespace: Namespace) -> dict[str, Any]:
    return asdict(namespace) | {"blocked": list(namespace.blocked)}
