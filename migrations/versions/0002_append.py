"""Appending to the log is one call; fragments carry a tag that tells their versions apart."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
PHASE = "expand"

# The heads are locked first, in order, and looked at in a statement of its own: what is absent
# under the lock stays absent, and offsets have no gaps and become visible in order.
APPEND = """
create function append_events(
    partitions int[], ids bytea[], subjects bytea[], sources int[], ats bigint[],
    received bigint[], consents boolean[], payloads bytea[]
) returns bigint language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    stored bigint;
begin
    perform from heads where topic = 'events' and partition = any(partitions)
      order by partition for update;
    with fresh as (
        select u.* from unnest(partitions, ids, subjects, sources, ats, received, consents,
                               payloads) with ordinality
                        u(partition, id, subject, source, at, received, consent, payload, number)
         where not exists (select from events e where e.id = u.id)),
    placed as (
        select f.*, h.next_offset - 1
                    + row_number() over (partition by f.partition order by f.number) as place
          from fresh f join heads h on h.topic = 'events' and h.partition = f.partition),
    moved as (
        update heads h set next_offset = p.place + 1
          from (select partition, max(place) as place from placed group by partition) p
         where h.topic = 'events' and h.partition = p.partition),
    written as (
        insert into events
               (partition, "offset", id, subject, source, at, received_at, consent, payload)
        select p.partition, p.place, p.id, p.subject, p.source, to_timestamp(p.at / 1e6),
               to_timestamp(p.received / 1e6), p.consent, p.payload
          from placed p)
    select count(*) into stored from placed;
    if stored > 0 then
        perform pg_notify('cdp', 'events');
    end if;
    return stored;
end $$;
"""


def upgrade() -> None:
    op.execute(APPEND)
    op.execute("alter table fragments add column tag bigint not null default 0")
    # A random place in an index for every event, and nothing that reads it.
    op.execute("drop index events_subject")


def downgrade() -> None:
    raise NotImplementedError("restore a backup: an append-only log is not taken back")
