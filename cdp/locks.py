"""The numbers of all advisory locks: two that were alike would wait for each other."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Lock(IntEnum):
    """Keys of one number; `MEMBER` begins the classes of two, of which leases take what follows."""

    SCHEDULER = 0xCD8
    MIGRATIONS = 0xCD9
    RELAY = 0xCDA
    AUDIT = 0xCDB
    PACING = 0xCDC  # a class of two: the other is a person
    MEMBER = 0xCD90
