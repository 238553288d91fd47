"""Why somebody sees what they see, in words that say nothing of who they are."""

from __future__ import annotations

from activation.content.model import Choice, Content, Visitor
from cdp.times import iso


def of(choice: Choice, visitor: Visitor) -> list[str]:
    """Of one slot's choice."""
    told = []
    if choice.content is None:
        told.append("There is nothing for this slot now.")
    else:
        told += about(choice.content)
    if not visitor.personal:
        told.append("Nobody in particular was asked for: all see the same.")
    if choice.missing:
        told.append(f"Something else needs consent to {choice.missing}, which is not given.")
    return told


def about(content: Content) -> list[str]:
    """Of a content that is shown."""
    if content.because:
        told = [content.because]
    elif content.segments or content.outside:
        told = ["It is for people who did certain things here."]
    elif content.purpose:
        told = ["It is for everybody who agreed to what it needs."]
    else:
        told = ["It is for everybody."]
    if content.purpose:
        told.append(f"It needs consent to {content.purpose}, which is given.")
    if content.until is not None:
        told.append(f"It is shown until {iso(content.until)}.")
    if len(content.variants) > 1:
        told.append("It has several variants; which one is shown is drawn by lot.")
    return told
