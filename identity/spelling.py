"""One address in many spellings: what an identifier comes down to, where the rules ask for it.

Pure, and only a hint for linking: the identifier itself stays as it was said.
"""

from __future__ import annotations

from functools import lru_cache

from cdp.events import Identifier

MARK = "~"  # in front of a namespace: what identifiers of it come down to
_DOTLESS = frozenset({"gmail.com"})
_ALIASES = {"googlemail.com": "gmail.com"}


def address(value: str) -> str:
    """An e-mail address without what its provider ignores: `+tag`, and at Gmail dots."""
    local, _, domain = value.rpartition("@")
    domain = _ALIASES.get(domain, domain)
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local = local.replace(".", "") or local
    return f"{local}@{domain}"


@lru_cache(maxsize=10_000)
def number(value: str, region: str) -> str | None:
    """A phone number in E.164, by the plans of `phonenumbers`; None if it is none."""
    import phonenumbers  # large, and needed only where a region is set

    try:
        parsed = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def is_region(region: str) -> bool:
    """Whether numbers can be read as those of this country."""
    import phonenumbers

    return region in phonenumbers.SUPPORTED_REGIONS


def marked(namespace: str, value: str) -> Identifier:
    """What spellings come down to, as a node of its own."""
    return Identifier(MARK + namespace, value)
