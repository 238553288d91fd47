"""The journeys of a campaign that began while their person was in a segment."""

from __future__ import annotations

from typing import LiteralString

from activation.campaigns.numbers import Counted

# The last that the ledger of changes says of them until then. What moved with identifiers in a
# merge or a split is written of the profile it moved to, later, with the moment it began.
_INSIDE: LiteralString = """(
    select j.* from journeys j join segments g on g.key = :segment
     where j.campaign = :key and (
           select r.entered from (
                  select entered, at, at as told from changes
                   where profile = j.profile and segment = g.key
                  union all
                  select entered, since, at from carried
                   where profile = j.profile and segment = g.key) r
            where r.at between (extract(epoch from g.created_at) * 1000000)::bigint and j.at
            order by r.at desc, r.told desc limit 1))"""


def inside(campaign: str, segment: str) -> Counted:
    """Those of who was in it when they began; who split off or was merged, by what moved along."""
    return Counted(campaign, _INSIDE, {"segment": segment})
