"""Which tables a backup holds, and which are made anew from them. Every table is in one list."""

from __future__ import annotations

from typing import NamedTuple

from cdp.events import EVENTS
from cdp.migrate import CHANGES


class Log(NamedTuple):
    """An append-only table with dense offsets: what was copied once is never copied again."""

    table: str
    topic: str  # its row in `heads` says where it ends
    partitioned: bool
    key: str  # a column that tells one row from another at the same offset


LOGS = (Log("events", EVENTS, True, "id"), Log("changes", CHANGES, False, "profile"))

# Copied whole each time, all as of one moment: rows of these change, and keys are destroyed.
WHOLE = (
    # What cannot be made again: keys, what people configured, what was decided once.
    "api_keys",
    "audit",
    "brand",
    "builds",
    "campaign_heard",
    "campaign_occurrences",
    "campaign_versions",
    "campaigns",
    "carried",
    "circuits",
    "computed_told",
    "computed_traits",
    "consent_chain",
    "consent_heads",
    "contents",
    "counters",
    "definitions",
    "deliveries",
    "delivery_slots",
    "destinations",
    "erasures",
    "identity_history",
    "identity_rules",
    "identity_trials",
    "journey_sends",
    "journeys",
    "keyset",
    "link_revocations",
    "matching",
    "model_fits",
    "models",
    "memberships",  # who was let in when was decided live
    "pacing",
    "pacing_slots",  # what people got lately: caps hold after a restore too
    "parked",
    "privacy_archives",
    "privacy_requests",
    "purposes",
    "quality",
    "quality_names",
    "reduced",
    "responses",
    "quarantine",
    "segments",
    "sources",
    "subjects",
    "suppressions",
    "template_versions",
    "templates",
    "tracking_plans",
    "collectable",
    "notices",
    "uncollectable",
    "uncollected",
    "versions",
    # What was under way: nothing of it is lost, and nothing is done twice.
    "checkpoints",
    "computed_due",
    "heads",
    "match_queue",
    "outbox",
    "score_queue",
    "syncs",
)

# Not in a backup: a replay makes the projections, the scheduler and a relay the rest.
MADE_ANEW = (
    "alembic_version",
    "build_partitions",
    "decisions",
    "edges",
    "fragments",
    "inferences",
    "match_keys",
    "meta",
    "nodes",
    "pacing_hours",
    "profiles",
    "published",
    "retention",  # from the start: an older stretch of the log may still have what is over
    "seen_in",
    "verdicts",
)

# Of these a backup needs only some rows.
ONLY = {
    "outbox": """ where "offset" >= (select next_offset from checkpoints c
                   where c.topic = outbox.topic and c.partition = outbox.partition)"""
}
