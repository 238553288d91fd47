"""Content from a CMS: a JSON Feed (jsonfeed.org, 1.1) as contents of the catalogue."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, ValidationError, fields, validate, validates_schema

from activation.content.schema import KEY, LOCALE
from activation.schema import URL
from cdp.forms import Flag, Form, WholeNumber

MAX_ITEMS = 500
_NOT_KEY = re.compile("[^a-z0-9]+")
_TEMPLATE = re.compile(r"\{(?=[{%#])")  # what would begin an expression of a template
_LONGEST = 64


class FeedItem(Form):
    """One item. What else it has stays in the CMS."""

    class Meta:
        """Feeds have fields of their own."""

        unknown = EXCLUDE

    id = fields.String(required=True, validate=validate.Length(1, 1000))
    title = fields.String(load_default="", validate=validate.Length(max=200))
    content_html = fields.String()  # how long it may be is said by the form of contents
    content_text = fields.String()
    summary = fields.String(load_default="", validate=validate.Length(max=1000))
    url = fields.String(load_default="", validate=validate.Length(max=1000))
    image = fields.String(load_default="", validate=validate.Length(max=1000))
    language = fields.String(load_default="", validate=validate.Length(max=40))
    date_published = fields.String(load_default=None, allow_none=True)
    tags = fields.List(
        fields.String(validate=validate.Length(1, 64)),
        load_default=list,
        validate=validate.Length(max=50),
    )


class Feed(Form):
    """A feed."""

    class Meta:
        """Likewise."""

        unknown = EXCLUDE

    language = fields.String(load_default="en", validate=LOCALE)
    items = fields.List(
        fields.Nested(FeedItem), required=True, validate=validate.Length(max=MAX_ITEMS)
    )


class ImportSchema(Form):
    """A feed, or where it is, and what becomes of its items."""

    feed = fields.Nested(Feed, metadata={"description": "the feed itself, or `url`"})
    url = fields.String(
        validate=[validate.Length(max=2000), URL],
        metadata={"description": "where the feed is read, once, now"},
    )
    prefix = fields.String(
        required=True,
        validate=[validate.Length(max=24), KEY],
        metadata={"description": "what keys of its contents begin with", "example": "blog"},
    )
    slots = fields.List(fields.String(validate=KEY), required=True, validate=validate.Length(1, 20))
    priority = WholeNumber(load_default=0, validate=validate.Range(0, 1000))
    replace = Flag(
        load_default=True,
        metadata={"description": "contents of this prefix that the feed has not are deleted"},
    )

    @validates_schema(skip_on_field_errors=True)
    def _one_of_two(self, data: dict[str, Any], **_: Any) -> None:
        if ("feed" in data) == ("url" in data):
            raise ValidationError({"feed": ["Must be there, or url instead."]})


def contents(
    feed: Mapping[str, Any], prefix: str, more: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What its items are as contents, by key, still to be checked by their form."""
    return {
        _key(prefix, each["id"]): _content(each, feed["language"], more) for each in feed["items"]
    }


def _key(prefix: str, item: str) -> str:
    """The same item has the same key; two that would look alike do not."""
    told = _NOT_KEY.sub("-", item.lower()).strip("-")
    digest = hashlib.sha256(item.encode()).hexdigest()[:8]
    return f"{prefix}-{told[: _LONGEST - len(prefix) - 10]}-{digest}".replace("--", "-")


def _content(item: Mapping[str, Any], language: str, more: Mapping[str, Any]) -> dict[str, Any]:
    told = item.get("content_html")
    if told is None:
        told = html.escape(item.get("content_text", item["summary"]))
    about = {name: item[name] for name in ("url", "image", "summary") if item[name]}
    locale = item["language"] or language
    return {
        "name": item["title"] or item["id"][:200],
        "variants": [{"key": "a", "html": {locale: _TEMPLATE.sub("{{ '{' }}", told)}}],
        "locale": locale,
        "from": item["date_published"],
        "tags": item["tags"],
        "metadata": about,
        **more,
    }
