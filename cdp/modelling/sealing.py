"""What was learned as it is stored: features may be named after what people wrote."""

from __future__ import annotations

import msgspec

from cdp.log.vault import Vault
from profiles.learning.protocol import Fitted
from profiles.models.fits import Fit, sealed_as


def seal(vault: Vault, fit: int, fitted: Fitted) -> bytes:
    """Parameters and report, readable once they are opened."""
    return vault.system.pack(msgspec.json.encode(fitted), sealed_as(fit))


def unseal(vault: Vault, fit: Fit) -> Fitted | None:
    """What was learned; None of a fit that is not done."""
    if fit.content is None:
        return None
    plain = vault.system.unpack(fit.content, sealed_as(fit.id))
    return msgspec.json.decode(plain, type=Fitted)
