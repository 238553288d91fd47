"""Privacy requests: what people asked for, archives of their data, whose keys were destroyed."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
PHASE = "expand"

# `number` counts erasures, so that who holds keys can ask which of them are destroyed.
ERASURES = """
create table erasures (subject bytea primary key, number bigint not null, at bigint not null);
create index erasures_number on erasures (number);
"""
# What is appended was sealed with keys that were good when `known` erasures had been done. The
# heads are locked before that is looked at: what another statement commits later, this one sees.
APPEND = """
create function append_sealed(
    partitions int[], ids bytea[], subjects bytea[], sources int[], ats bigint[],
    received bigint[], consents boolean[], payloads bytea[], known bigint, listed bigint
) returns bigint language plpgsql as $$
begin
    perform from heads where topic = 'events' and partition = any(partitions)
      order by partition for update;
    if known <> (select coalesce(max(number), 0) from erasures) then
        return -1;
    end if;
    return append_allowed(
        listed, partitions, ids, subjects, sources, ats, received, consents, payloads
    );
end $$;
"""
REQUESTS = """
create table privacy_requests (
    number bigint generated always as identity primary key,
    id uuid not null unique,
    kind text not null,
    subject bytea not null,
    namespace text not null,
    asked_by text not null,
    reference bytea not null, -- an operator's own number for it: sealed
    status text not null default 'received',
    received_at timestamptz not null,
    due_at timestamptz not null,
    awaits json, -- how far the agents have to be: what was there when it came is part of it
    people bytea[] not null default '{}',
    result json,
    attempts int not null default 0,
    next_at timestamptz not null,
    reason text not null default '',
    begun_at timestamptz,
    done_at timestamptz,
    receipt text not null default ''
);
create index privacy_requests_open on privacy_requests (next_at) where status <> 'done';
create table privacy_archives (
    request uuid not null,
    part int not null,
    data bytea not null,
    primary key (request, part)
);
alter table privacy_archives alter data set storage external;
"""
DELIVERIES = "alter table deliveries add column body bytea"  # what is told: sealed, until it is


def upgrade() -> None:
    """Older processes append without looking: erase when none of them runs any more."""
    for part in (ERASURES, APPEND, REQUESTS, DELIVERIES):
        op.execute(part)
    with op.get_context().autocommit_block():
        op.execute("drop index if exists changes_profile")
        op.execute("create index concurrently changes_profile on changes (profile)")


def downgrade() -> None:
    """Whose keys were destroyed must stay known."""
    raise NotImplementedError("restore a backup instead")
