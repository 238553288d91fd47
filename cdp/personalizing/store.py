"""The one question that a decision asks: whose an identifier is, as of when, and how they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cdp.db import Driver
from cdp.events import ProfileId, SubjectId

# The rest is looked up only for a version that whoever asks has not seen.
_WHO = b"""
    select n.id, p.id, p.version, m.nodes, s.segments, s.decisions, s.seen, s.likely
      from unnest(%(ids)s, %(versions)s) as asked (id, version)
      join nodes n on n.id = asked.id
      join profiles p on p.id = n.profile
      left join lateral (
            select array_agg(id) as nodes from nodes where profile = p.id
           ) m on p.version <> asked.version
      left join lateral (
            select (select array_agg(g.key) from memberships b join segments g on g.id = b.segment
                     where b.profile = p.id) as segments,
                   (select json_agg(json_build_array(encode(subject, 'hex'), signal, state, at,
                                    encode(event, 'hex'), source, jurisdiction, notice))
                      from decisions where subject = any(m.nodes)) as decisions,
                   (select json_agg(json_build_array(encode(subject, 'hex'), code))
                      from seen_in where subject = any(m.nodes)) as seen,
                   exists (select from inferences where a = any(m.nodes))
                   or exists (select from inferences where b = any(m.nodes)) as likely
           ) s on m.nodes is not null
    """


class Found(NamedTuple):
    """A profile and its current version; the rest is None where that is known already.

    `decisions` and `seen` begin with the subject, in hexadecimal digits; `likely` tells whether
    matching says anything of these subjects.
    """

    profile: ProfileId
    version: int
    nodes: list[SubjectId] | None
    segments: list[str] | None
    decisions: list[list[Any]] | None
    seen: list[list[str]] | None
    likely: bool | None


async def who(session: Driver[Any], asked: Mapping[SubjectId, int]) -> dict[SubjectId, Found]:
    """The profiles of these identifiers, each with the version that need not be told again."""
    values = {"ids": list(asked), "versions": list(asked.values())}
    async with session.cursor(binary=True) as cursor:
        await cursor.execute(_WHO, values, prepare=True)
        return {row[0]: Found(*row[1:]) for row in await cursor.fetchall()}
