"""Finds what banners and browsers put into `context.consent`, and tells what it says.

Each is read by a pure function of its own: TC strings, GPP strings, US Privacy, Google's names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from cdp.events import mapping
from consent.signals import google, gpp, tcf
from consent.signals.said import Illegible, Said

# Where they are looked for: our names first, then those that CMPs and OpenRTB have for them.
TCF = ("tcf", "tcString", "tcfString", "gdpr_consent")
GPP = ("gpp", "gppString")
US_PRIVACY = ("usPrivacy", "us_privacy", "uspString")
APPLICABLE = ("gppSid", "gpp_sid", "applicableSections")
GOOGLE = ("google", "consentMode", "consent_state")  # objects of its names; or they stand alone
_PLACING = frozenset({*GPP, *US_PRIVACY})
_NAMES = frozenset({*TCF, *GPP, *US_PRIVACY, *GOOGLE, *google.NAMES})

# Of these a purpose needs all that it lists: one no outweighs the others' yes.
_ALL_OF = {
    **{f"tcf_{number}": "tcf" for number in tcf.PURPOSES},
    **{f"tcf_sf{number}": "tcf" for number in tcf.FEATURES},
    **dict.fromkeys(google.NAMES, "google"),
}
OPT_OUTS = frozenset(gpp.OPT_OUTS)  # their yes is only that nobody said no


class Found(NamedTuple):
    """One thing that says something: the field, what vocabulary it is of, and how to read it."""

    field: str
    source: str  # of its decisions: tcf, gpp or stamp
    read: Callable[[], Said]


def vocabulary(signal: str) -> str:
    """What a purpose needs all of, as far as it lists it; empty for names that stand alone."""
    return _ALL_OF.get(signal, "")


def said(consent: Mapping[str, Any]) -> Iterator[tuple[str, Said]]:
    """What a stamp says, with its sources. What cannot be read says nothing: see `problem`."""
    for found in _found(consent):
        try:
            yield found.source, found.read()
        except Illegible:
            continue


def problem(consent: object) -> tuple[str, str] | None:
    """The field that cannot be read, and what is wrong with it."""
    for found in _found(mapping(consent)):
        try:
            found.read()
        except Illegible as illegible:
            return found.field, str(illegible)
    return None


def place(consent: Mapping[str, Any]) -> str:
    """Where somebody is by the sections that apply to them, if those agree: US, US-CA; or empty."""
    if _PLACING.isdisjoint(consent):  # as a rule
        return ""
    places: frozenset[str] = frozenset()
    for source, each in said(consent):
        if source == "tcf" or "tcf_2" in each.states:
            return ""
        places |= each.places
    states = places - {"US"}
    if len(states) > 1:
        return "US"
    return min(states or places, default="")


def _found(consent: Mapping[str, Any]) -> Iterator[Found]:
    if _NAMES.isdisjoint(consent):
        return
    yield from _strings(consent, TCF, "tcf", lambda text, _: tcf.said(text))
    yield from _strings(consent, GPP, "gpp", gpp.said)
    yield from _strings(consent, US_PRIVACY, "gpp", lambda text, _: gpp.us_privacy(text))
    yield from _states("context.consent", consent)
    for name in GOOGLE:
        yield from _states(f"context.consent.{name}", mapping(consent.get(name)))


def _strings(
    consent: Mapping[str, Any],
    names: tuple[str, ...],
    source: str,
    read: Callable[[str, frozenset[int] | None], Said],
) -> Iterator[Found]:
    for name in names:
        value = consent.get(name)
        around: Mapping[str, Any] = consent
        if isinstance(value, dict):  # all that the CMP's own API tells, as it is
            around = value
            value = next((value[each] for each in names if value.get(each)), value)
        if value is not None and value != "":
            yield Found(f"context.consent.{name}", source, _reading(value, around, read))


def _reading(
    value: object, around: Mapping[str, Any], read: Callable[[str, frozenset[int] | None], Said]
) -> Callable[[], Said]:
    def reading() -> Said:
        if not isinstance(value, str):
            raise Illegible("must be the string, or an object that has it")
        return read(value.strip(), _applicable(around))

    return reading


def _applicable(around: Mapping[str, Any]) -> frozenset[int] | None:
    """The sections that apply, as a list or with commas between; None: nobody says."""
    value = next((around[name] for name in APPLICABLE if around.get(name) is not None), None)
    if value is None or value == "":
        return None
    told = value if isinstance(value, list) else str(value).replace("_", ",").split(",")
    try:
        return frozenset(number for each in told if 0 < (number := int(each)) <= gpp.MOST_SECTIONS)
    except (TypeError, ValueError, OverflowError):
        raise Illegible("comes with a gppSid that is no list of numbers, like [7, 8]") from None


def _states(field: str, states: Mapping[str, Any]) -> Iterator[Found]:
    for name in google.NAMES:
        value = states.get(name)
        if value is not None:
            yield Found(f"{field}.{name}", "stamp", _stated(name, value))


def _stated(name: str, value: object) -> Callable[[], Said]:
    return lambda: Said({name: google.state(value)})
