"""Consent strings that tests tell stories with, made with the IAB's libraries."""

# Consent to all purposes; to 1, 7, 8 and 9 only; to none.
ALL = "CQgcD4AQgcD4AAfACAENCWFsAP_gAAAAAAAAAAAAAAAA.IAAA"
SOME = "CQgcD4AQgcD4AAfACAENCWFgAIOAAAAAAAAAAAAAAAAA.IAAA"
NONE = "CQgcD4AQgcD4AAfACAENCWFgAAAAAAAAAAAAAAAAAAAA.IAAA"

# California: opted out of sale and sharing; not opted out; likewise, with GPC.
OPTED_OUT, NOT_OPTED_OUT, WITH_GPC = "DBABBg~BAUAAABA", "DBABBg~BAoAAABA.QA", "DBABBg~BAoAAABA.YA"
