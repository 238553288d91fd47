"""What is compared where nobody says otherwise: the traits that SDKs reserve for people."""

from __future__ import annotations

from identity.matching.comparing import PLACES
from identity.matching.fields import Field, Matching, Part

FIELDS = (
    Field("first_name", "name", ("firstName", "first_name", "name.first"), crossed="last_name"),
    Field("last_name", "name", ("lastName", "last_name", "name.last"), shared=True),
    Field("birthday", "date", ("birthday", "birth_date", "birthdate", "dateOfBirth", "dob")),
    Field("email", "email", ("@email",)),
    Field("phone", "code", ("@phone",)),
    Field("street", "text", ("address.street", "street"), shared=True),
    Field("city", "text", ("address.city", "city"), shared=True),
    Field(
        "postcode",
        "code",
        ("address.postalCode", "address.postcode", "postalCode", "postal_code", "postcode", "zip"),
        shared=True,
    ),
    Field("network", PLACES, ("@places",), shared=True),
    Field("device", "exact", ("@devices",)),
)
# Where first and last names are crossed, a key with one of them finds the other as well.
KEYS = (
    "first_name + last_name",
    "first_name.3 + last_name.3",
    "last_name + birthday",
    "last_name + postcode",
    "last_name + city",
    "birthday + postcode",
    "birthday",
    "email.10",
    "phone",
    "network",
)


def key_of(written: str, fields: tuple[Field, ...]) -> tuple[Part, ...]:
    """`last_name.3 + postcode`: the first three characters of one field, and the other whole.

    ValueError names what is wrong with it.
    """
    names = [each.name for each in fields]
    parts = []
    for word in written.split("+"):
        name, _, first = word.strip().partition(".")
        if name not in names:
            raise ValueError(f"{name!r} is not one of the fields: {', '.join(names)}")
        if first and not (first.isdigit() and 0 < int(first) <= 64):
            raise ValueError(f"{word.strip()!r}: after the point say how many characters, 1 to 64")
        parts.append(Part(names.index(name), int(first or 0)))
    return tuple(parts)


def matching(fields: tuple[Field, ...] = FIELDS, keys: tuple[str, ...] = KEYS) -> Matching:
    """From keys as people write them."""
    return Matching(fields, tuple(key_of(each, fields) for each in keys))
