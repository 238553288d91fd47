"""Conditions on the properties of one event, as definitions have them for the events they count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from marshmallow import fields, validate

from cdp.forms import Form
from profiles.language.counters import matches
from profiles.language.filters import MAX_FILTERS, Filter
from profiles.language.parsing import counter


class PropertiesSchema(Form):
    """What the properties of an event must satisfy."""

    where = fields.List(Filter(), required=True, validate=validate.Length(1, MAX_FILTERS))


def test(where: Sequence[Mapping[str, Any]]) -> Callable[[Mapping[str, Any]], bool]:
    """A test of an event's properties, made of checked conditions; without any all pass."""
    if not where:
        return lambda _: True
    filters = counter("", where, 1).filters
    return lambda properties: matches(filters, properties)
