"""The first schema: log, outbox, projections and what people configure."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
PHASE = "expand"

LOG = """
create table meta (key text primary key, value bytea not null);

create table heads (
    topic text not null,
    partition int not null,
    next_offset bigint not null default 0,
    primary key (topic, partition)
) with (fillfactor = 50);

create table checkpoints (
    topic text not null,
    partition int not null,
    next_offset bigint not null default 0,
    primary key (topic, partition)
) with (fillfactor = 50);

-- Append-only. `subject` and `id` are keyed hashes; everything personal is in the sealed payload.
create table events (
    partition smallint not null,
    "offset" bigint not null,
    id bytea not null,
    subject bytea not null,
    source int not null,
    at timestamptz not null,
    received_at timestamptz not null,
    consent boolean not null,
    payload bytea not null,
    primary key (partition, "offset")
);
alter table events alter payload set storage external;
create unique index events_id on events (id);
create index events_subject on events (subject, "offset");
create index events_consent on events (subject) where consent;

create table subjects (id bytea primary key, key bytea not null);

-- Subjects whose events may not be stored, whether or not one ever was.
create table uncollectable (subject bytea primary key);

create table outbox (
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    key bytea not null,
    value bytea not null,
    primary key (topic, partition, "offset")
);

create table parked (
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    key bytea not null,
    value bytea not null,
    error text not null,
    at timestamptz not null default now(),
    primary key (topic, partition, "offset")
);

create table quarantine (
    id bigint generated always as identity primary key,
    ref bytea not null unique,
    source int,
    key_hash bytea not null,
    received_at timestamptz not null,
    reason text not null,
    field text not null,
    route text not null,
    body bytea not null,
    replayed_at timestamptz
);
create index quarantine_open on quarantine (id) where replayed_at is null;

create table uncollected (
    source int not null,
    day date not null,
    events bigint not null,
    primary key (source, day)
);
"""

CONFIGURATION = """
create table sources (
    id int generated always as identity primary key,
    name text not null,
    key_hash bytea not null unique,
    origins text[] not null default '{}',
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);

create table api_keys (
    id int generated always as identity primary key,
    name text not null,
    key_hash bytea not null unique,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);

create table purposes (
    key text primary key,
    name text not null,
    by_default text not null,
    signals text[] not null default '{}'
);

create table segments (
    id int generated always as identity primary key,
    key text not null unique,
    name text not null,
    purpose text not null,
    wanted json not null,
    active json,
    build int not null,
    version int not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- One row, read FOR SHARE by every evaluation and bumped by every change of a definition.
create table definitions (version bigint not null);
insert into definitions values (1);

create table counters (
    id int generated always as identity primary key,
    build int not null,
    event text not null,
    filters json not null,
    newest int not null
);

-- A change of definitions on its way through all of history: counting, touching, done.
create table builds (
    id int generated always as identity primary key,
    reason text not null,
    state text not null default 'counting',
    touched_to bytea not null default '',
    created_at timestamptz not null default now(),
    finished_at timestamptz
);

-- A build's counters are kept live from `since` on and filled from the log up to it.
create table build_partitions (
    build int not null references builds on delete cascade,
    partition int not null,
    since bigint not null,
    done bigint not null default 0,
    primary key (build, partition)
);

create table destinations (
    key text primary key,
    config json not null,
    secret bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
"""

PROJECTIONS = """
create table nodes (
    id bytea primary key,
    namespace text not null,
    first_seen bigint not null,
    component bytea not null,
    profile bytea not null
) with (fillfactor = 85);
create index nodes_component on nodes (component);
create index nodes_profile on nodes (profile);

create table edges (
    a bytea not null,
    b bytea not null,
    kind smallint not null,
    first_seen bigint not null,
    event bytea not null,
    primary key (a, b, kind)
);
create index edges_b on edges (b);

create table fragments (
    subject bytea primary key,
    data bytea not null
) with (fillfactor = 70);
alter table fragments alter data set storage external;

create table decisions (
    subject bytea not null,
    signal text not null,
    state text not null,
    at bigint not null,
    event bytea not null,
    source text not null,
    primary key (subject, signal)
);

create table profiles (
    id bytea primary key,
    version bigint not null,
    due bigint
) with (fillfactor = 85);
create index profiles_due on profiles (due) where due is not null;

create table memberships (
    segment int not null,
    profile bytea not null,
    since bigint not null,
    primary key (segment, profile)
);
create index memberships_profile on memberships (profile);
"""

LEDGERS = """
-- What was decided, once: entries and exits. Dense offsets make the cursor of the changes feed.
create table changes (
    "offset" bigint primary key,
    segment text not null,
    profile bytea not null,
    entered boolean not null,
    at bigint not null,
    cause text not null
);
create index changes_segment on changes (segment, "offset");

create table deliveries (
    id bytea primary key,
    destination text not null,
    profile bytea not null,
    segment text not null,
    kind text not null,
    at bigint not null,
    state text not null,
    attempts int not null default 0,
    due bigint,
    purpose text not null,
    consent jsonb,
    reason text not null default '',
    status int,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index deliveries_profile on deliveries (profile);
create index deliveries_destination on deliveries (destination, state);
create index deliveries_due on deliveries (due) where due is not null;
"""


def upgrade() -> None:
    for part in (LOG, CONFIGURATION, PROJECTIONS, LEDGERS):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: an append-only log is not taken back")
