"""Models as people write them: validation, error messages and OpenAPI. Each kind is a form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from cdp.forms import Form, WholeNumber, Written
from profiles.language.filters import MAX_FILTERS, NAME, Filter, at
from profiles.language.leaves import WITHIN
from profiles.language.schema import Measured
from profiles.learning.features import READY
from profiles.learning.hindsight import LAPSE, RECENCY

MAX_FEATURES = 50
MAX_EVENTS = 20
MAX_CLUSTERS = 50
AUTO = "auto"
METHODS = ("kmeans", "minibatch", "mixture", "hierarchical")
_NAMED = validate.Length(1, 64)


class Sessions(Form):
    """How many sessions there were of these events: half an hour without one ends a session."""

    sessions = fields.List(
        fields.String(validate=NAME), required=True, validate=validate.Length(1, MAX_EVENTS)
    )
    within = fields.String(**WITHIN)


class Feature(fields.Field[Any]):
    """A measure, as an object or a line of text, or sessions."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, dict) and "sessions" in value:
            return Sessions().load(value)
        loaded = Measured().deserialize(value)
        if "predicted" in loaded:
            raise ValidationError("Cannot be what another model predicts.")
        return loaded


class Features(fields.Field[Any]):
    """Features by their names."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict) or len(value) > MAX_FEATURES:
            raise ValidationError(f"Must be an object with at most {MAX_FEATURES} features.")
        found = {}
        for name, each in value.items():
            with at(name):
                if name in READY:
                    raise ValidationError("Is the name of a ready-made feature; take another.")
                if not 1 <= len(name) <= 64:
                    raise ValidationError("A name has 1 to 64 characters.")
                found[name] = Feature().deserialize(each)
        return found


class Number(fields.Field[Any]):
    """A number of clusters, or auto."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if value == AUTO:
            return AUTO
        try:
            return WholeNumber(validate=validate.Range(2, MAX_CLUSTERS)).deserialize(value)
        except ValidationError:
            raise ValidationError(f"Must be {AUTO}, or 2 to {MAX_CLUSTERS}.") from None


class ModelSchema(Form):
    """What every model has: its name and purpose, what it is learned from, and how often."""

    kind = fields.String(required=True)
    name = fields.String(required=True, validate=validate.Length(1, 200))
    purpose = fields.String(load_default="profiling", validate=_NAMED)
    features = Features(
        load_default=dict,
        metadata={"description": "by name: what a computed trait may be, or sessions"},
    )
    ready = fields.List(
        fields.String(validate=validate.OneOf(READY)),
        load_default=lambda: list(READY),
        metadata={"description": "ready-made features; all, if left out"},
    )
    every = fields.String(
        load_default="1d", validate=WITHIN["validate"], metadata={"description": "how often"}
    )

    @validates_schema
    def check_features(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Something must be looked at."""
        if not (data.get("features") or data.get("ready")):
            raise ValidationError("Name one, or let some of ready be there.", "features")


class ClustersSchema(ModelSchema):
    """Clusters of people who are alike."""

    kind = fields.String(required=True, validate=validate.Equal("clusters"))
    method = fields.String(load_default="kmeans", validate=validate.OneOf(METHODS))
    clusters = Number(
        load_default=AUTO, metadata={"description": "how many, 2 to 50, or auto: as many as fit"}
    )


class GoalEvent(Form):
    """An event that people may do, with such properties."""

    event = fields.String(required=True, validate=NAME)
    where = fields.List(Filter(), validate=validate.Length(0, MAX_FILTERS))


class Goal(fields.Field[Any]):
    """What people may do: an event, or to lapse."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if value == LAPSE:
            return LAPSE
        if not isinstance(value, dict):
            raise ValidationError(
                f'Must be {LAPSE}, or an object with an event: {{"event": "Order Completed"}}.'
            )
        return GoalEvent().load(value)


class PropensitySchema(ModelSchema):
    """How probable it is that people do something within a time, or do nothing at all."""

    kind = fields.String(required=True, validate=validate.Equal("propensity"))
    goal = Goal(
        required=True,
        metadata={"description": "an event with filters, or lapse: that they do nothing"},
    )
    horizon = fields.String(**WITHIN, load_default="14d")

    @validates_schema
    def check_lapse(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Whether somebody is gone already is told by their recency."""
        if data["goal"] == LAPSE and RECENCY not in data["ready"]:
            raise ValidationError(f"Must have {RECENCY} where the goal is {LAPSE}.", "ready")


class RfmSchema(ModelSchema):
    """Scores of recency, frequency and monetary value."""

    class Meta:
        """What is looked at follows from the event and the property."""

        exclude = ("features", "ready")

    kind = fields.String(required=True, validate=validate.Equal("rfm"))
    event = fields.String(
        load_default="Order Completed",
        validate=NAME,
        metadata={"description": "what customers do"},
    )
    value = fields.String(
        load_default="revenue",
        validate=NAME,
        metadata={"description": "the property of it with what they pay"},
    )
    within = fields.String(
        validate=WITHIN["validate"],
        metadata={"description": "how far back frequency and value go; ever, if left out"},
    )
    parts = WholeNumber(
        load_default=5,
        validate=validate.Range(2, 9),
        metadata={"description": "the best score"},
    )

    def check_features(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """They are there."""

    @post_load
    def add_features(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """The three that are scored."""
        event = {"event": data["event"]}
        span = {"within": data["within"]} if "within" in data else {}
        features = {
            "recency": {**event, "since_last": {}},
            "frequency": {**event, "count": {}, **span},
            "monetary": {**event, "sum": {"of": data["value"]}, **span},
        }
        return {**data, "features": features, "ready": []}


KINDS: Mapping[str, type[ModelSchema]] = {
    "clusters": ClustersSchema,
    "propensity": PropensitySchema,
    "rfm": RfmSchema,
}


class ClusterSegmentSchema(Form):
    """The segment that a cluster becomes."""

    key = fields.String(
        required=True,
        validate=Written(
            "^[a-z0-9][a-z0-9_-]{0,63}$",
            error="Must be lower-case letters, digits, - and _, at most 64.",
        ),
    )
    name = fields.String(required=True, validate=validate.Length(1, 200))
    purpose = fields.String(
        validate=_NAMED, metadata={"description": "the model's purpose, if left out"}
    )


def form_of(written: Any) -> ModelSchema:
    """The form of the kind that a body names; of none, the one that says which there are."""
    kind = written.get("kind") if isinstance(written, dict) else None
    found = KINDS.get(kind) if isinstance(kind, str) else None
    return found() if found else AnyKind()


class AnyKind(ModelSchema):
    """Of a kind that there is not."""

    kind = fields.String(required=True, validate=validate.OneOf(sorted(KINDS)))
