"""Consent as a function of decisions: which signal says what, and how a person stands by purpose.

A decision is a fact: a signal (a purpose, or a category name that an SDK uses), granted or denied,
at a time. Whether an event may be stored follows from them; how a person stands, see `standing`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from cdp.events import Event, Instant, mapping
from consent import signals, stamps
from consent.jurisdictions import State
from consent.stamps import GPC

_UNDER_GPC = " under gpc"
COLLECTION = "analytics"  # the purpose under which behaviour is stored at all


class Decision(NamedTuple):
    """One fact about one signal."""

    signal: str
    state: State
    at: Instant
    event: bytes
    source: str  # api, stamp, tcf, gpp or gpc; "stamp under gpc" if that stood on the same event
    jurisdiction: str = ""
    notice: str = ""  # the version that was shown

    @property
    def weight(self) -> tuple[Instant, bool, bytes]:
        """Decisions on the same signal compare by this: later wins, and a tie is a no."""
        return self.at, self.state == "denied", self.event

    @property
    def under_gpc(self) -> bool:
        """Whether it is a yes that came with an objection by Global Privacy Control.

        A banner's stamp that comes with every event is no answer to the browser that objects on
        each of them: of what that means too, such a yes is none.
        """
        return self.source.endswith(_UNDER_GPC)


def is_about_consent(event: Event) -> bool:
    """Whether it may carry a decision; most events do not, and this is asked of every one."""
    context = event.context
    return "consent" in context or "consentManagement" in context or event.type == "consent"


def decisions(event: Event) -> list[Decision]:
    """What an event says about consent, wherever an SDK puts it; the later source wins."""
    if not is_about_consent(event):
        return []
    stamp, at = stamps.of(event), event.at
    objects = GPC in stamp.said or event.context.get(GPC) is True
    return [
        Decision(
            signal,
            state,
            at,
            event.id,
            source + _UNDER_GPC if objects and state == "granted" and source != "api" else source,
            stamp.where,
            stamp.notice,
        )
        for signal, (state, source) in stamp.said.items()
    ]


def expired(event: Event) -> str:
    """The purpose to which a yes has ended by itself, where an event tells that; else empty."""
    purpose = event.properties.get("expired") if event.type == "consent" else None
    return purpose if isinstance(purpose, str) else ""


def illegible(event: Event) -> tuple[str, str] | None:
    """The field with a consent string that cannot be read, and what is wrong with it."""
    return signals.problem(event.context.get("consent"))


def denied(event: Event) -> tuple[str, ...]:
    """The signals that an event itself denies, sorted: it is not for purposes that they mean."""
    asked = event.context.get(GPC) is True
    if not is_about_consent(event):
        return _GPC_ALONE if asked else ()
    found = stamps.of(event).denied
    return tuple(sorted({*found, GPC})) if asked else found


_GPC_ALONE = (GPC,)


def asks_gpc(event: Event) -> bool:
    """Whether it is to record Global Privacy Control, from the browser's header or its like."""
    return mapping(event.context.get("consent")).get(GPC) is True


def once(event: Event, since: Instant | None) -> Event:
    """An event that does not record Global Privacy Control anew, if it is on record since before.

    It denies what that means (`denied`) like any other, but is no fact about consent by itself.
    """
    if since is None or event.at < since or not asks_gpc(event):
        return event
    consent = {name: value for name, value in event.context["consent"].items() if name != GPC}
    context = {**event.context, GPC: True, "consent": consent}
    if not consent:
        del context["consent"]
    return msgspec.structs.replace(event, context=context)


def latest(known: Iterable[Decision]) -> dict[str, Decision]:
    """The decision that counts for each signal."""
    best: dict[str, Decision] = {}
    for each in known:
        other = best.get(each.signal)
        if other is None:
            best[each.signal] = each
        elif each.signal == GPC:
            best[GPC] = min(each, other, key=lambda d: d.weight)
        else:
            best[each.signal] = max(each, other, key=lambda d: d.weight)
    return best


def agreed(own: Sequence[Decision]) -> Sequence[Decision]:
    """Without a yes that means nothing: beside a no on what goes with it, or of no objection."""
    if len(own) == 1 and own[0].signal not in signals.OPT_OUTS:  # as a rule
        return own
    refused = {signals.vocabulary(d.signal) for d in own if d.state == "denied"} - {""}
    return [
        d
        for d in own
        if d.state == "denied"
        or (d.signal not in signals.OPT_OUTS and signals.vocabulary(d.signal) not in refused)
    ]


# Said on purpose, not observed.
_TOLD_TO_US = frozenset({"consent", "link", "unlink", "infer", "retract"})


class Basis(NamedTuple):
    """Whether a subject's behaviour may be stored: its word, None if it has none; and the law's."""

    decided: bool | None
    by_law: bool

    @property
    def allowed(self) -> bool:
        """Its own word comes first."""
        return self.by_law if self.decided is None else self.decided


def collectable(event: Event, meaning: Collection[str], basis: Basis) -> Event | None:
    """The collection gate: the event, only its consent decisions, or nothing to be stored.

    `meaning` are the signals of the purpose under which behaviour is stored. An event's own stamp
    counts before what was known; facts that are told on purpose always pass.
    """
    if event.type in _TOLD_TO_US:
        return event
    told = decisions(event)
    about = [d for d in told if d.signal in meaning and not (d.under_gpc and GPC in meaning)]
    stamped = agreed(about)
    allowed = basis.allowed
    if stamped:
        allowed = max(stamped, key=lambda d: d.weight).state == "granted"
    if allowed:
        return event
    return decision_only(event) if told and basis.decided is not False else None


def decision_only(event: Event) -> Event:
    """Of an event only what it decides on consent, and about whom."""
    consent = {
        key: event.context[key] for key in ("consent", "consentManagement") if key in event.context
    }
    return msgspec.structs.replace(
        event,
        type="consent",
        name="",
        properties={},
        traits={},
        context=consent,
        integrations={},
        extra={},
    )
