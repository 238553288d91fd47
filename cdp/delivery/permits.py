"""What the send gate says of a delivery, and what the ledger cites: consent's word, in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from activation.gate import Permit
from cdp import times
from consent.purposes import whole
from consent.standing import Standing


def permit(purpose: str, stands: Mapping[str, Standing], *, suppressed: bool = False) -> Permit:
    """Whether somebody who stands like that may be sent something for this purpose, and why.

    `because` is a decision, whose fact and notice are told; the default of where they are, with
    its legal basis and the law that says so; a yes that has ended; or no such purpose. Who is
    `suppressed` is sent nothing, whatever they allow.
    """
    if suppressed:
        return Permit(False, _cite(purpose, "denied", "suppressed"))
    if purpose not in stands:  # people do not decide on this purpose channel by channel
        purpose = whole(purpose)
    stand = stands.get(purpose)
    if stand is None:
        return Permit(False, _cite(purpose, "denied", "unknown_purpose"))
    cite = _cite(purpose, stand.state, "decision")
    decision = stand.decision
    if decision is not None:
        cite |= {"fact": decision.event.hex(), "at": times.iso(decision.at)}
        cite |= {"notice": decision.notice or None, "basis": "consent"}
    if stand.default is not None:
        cite["because"] = "default" if decision is None else "expired"
        cite |= {"basis": stand.default.basis or None, "regime": stand.default.regime or None}
    return Permit(stand.state == "granted", cite)


def obliged() -> Permit:
    """To tell that a person was erased takes no consent: the law asks for it (GDPR Art. 19)."""
    cite = _cite("", "granted", "erasure") | {"basis": "legal_obligation"}
    return Permit(True, cite)


def _cite(purpose: str, state: str, because: str) -> dict[str, Any]:
    names = ("fact", "notice", "at", "basis", "regime")
    return {"purpose": purpose, "state": state, "because": because} | dict.fromkeys(names)
