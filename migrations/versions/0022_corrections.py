"""Why a delivery was requested; and a ledger of memberships that moved with identifiers."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
PHASE = "expand"

CARRIED = """
create table carried (
    number bigint generated always as identity primary key,
    segment text not null,
    profile bytea not null,
    entered boolean not null,
    at bigint not null,
    since bigint not null
);
create index carried_segment on carried (segment, at);
create index carried_profile on carried (profile, at);
"""
# What can be told of moves until now: an entry follows the profile into whichever it is merged
# into; who splits off takes it along, and whether they kept it is told by what came of it.
SPANS = """
    with recursive live as (
        select id, key, (extract(epoch from created_at) * 1000000)::bigint as since from segments),
    rows as (
        select c.segment, c.profile, c.entered, c.at,
               lead(c.at) over (partition by c.segment, c.profile order by c."offset") as next
          from changes c join live l on l.key = c.segment and c.at >= l.since),
    spans as (
        select r.segment, r.profile, r.at as since, r.at as begins, r.next,
               cast(0 as bigint) as number
          from rows r where r.entered
        union all
        select s.segment, m.profile, s.since, m.at, m.next, m.number
          from spans s cross join lateral (
            select h.profile, h.at, h.number, h.kind, r.at as next,
                   case when h.kind = 'merged' then true
                        when r.at is not null then not r.entered
                        else exists (select from memberships b join live l on l.id = b.segment
                                      where l.key = s.segment and b.profile = h.profile)
                          or exists (select from identity_history g
                                      where g.former = h.profile and g.number > h.number
                                        and coalesce((
                                          select not c.entered from changes c
                                           where c.profile = g.profile
                                             and c.segment = s.segment and c.at > g.at
                                           order by c."offset" limit 1), true))
                    end as stays
              from identity_history h
              left join lateral (
                select c.at, c.entered from changes c
                 where c.profile = h.profile and c.segment = s.segment and c.at > h.at
                 order by c."offset" limit 1) r on true
             where h.former = s.profile and h.number > s.number and h.at >= s.begins
               and (s.next is null or h.at < s.next)
               and not exists (select from identity_history g
                                where g.former = s.profile and g.kind = 'merged'
                                  and g.number > s.number and g.number < h.number
                                  and g.at >= s.begins)) m
         where m.stays),
    ended as materialized (
        select s.segment, s.profile, s.since, s.begins,
               least(s.next, m.merged, e.at,
                     case when s.next is null and m.last is not null and not exists (
                            select from memberships b join live l on l.id = b.segment
                             where l.key = s.segment and b.profile = s.profile)
                          then m.last end,
                     case when m.last is not null then (
                        select max(h.at) from identity_history h
                          join (select min(g.number) as number from identity_history g
                                 where g.profile = s.profile and g.kind = 'split'
                                   and g.number > s.number and g.at > s.begins
                                   and (s.next is null or g.at < s.next)) back
                            on h.number < back.number
                         where h.former = s.profile and h.number > s.number
                           and h.at >= s.begins) end) as ends
          from spans s
          left join erasures e on e.subject = s.profile and e.at >= s.begins
          left join lateral (
            select max(h.at) as last, min(h.at) filter (where h.kind = 'merged') as merged
              from identity_history h
             where h.former = s.profile and h.number > s.number and h.at >= s.begins) m on true)
"""
KNOWN = f"""
insert into carried (segment, profile, entered, at, since)
{SPANS}
select segment, profile, true, begins, since from ended x
 where not exists (select from changes c where c.segment = x.segment and c.profile = x.profile
                      and c.at = x.begins and c.entered)
union all
select segment, profile, false, ends, since from ended x
 where ends is not null
   and not exists (select from changes c where c.segment = x.segment and c.profile = x.profile
                      and c.at = x.ends)
"""  # noqa: S608 - our own constant


def upgrade() -> None:
    """Older processes leave both alone."""
    op.execute("alter table deliveries add column cause text not null default ''")
    op.execute(CARRIED)
    op.execute(KNOWN)


def downgrade() -> None:
    """Nothing is lost that decisions rest on."""
    op.execute("drop table carried")
    op.execute("alter table deliveries drop column cause")
