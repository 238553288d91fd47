"""Probabilistic links: what matching said, what it compares, and whom with whom."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLES = """
-- A projection: the latest word on each pair of identifiers, a < b; 0 takes it back.
create table inferences (
    a bytea not null,
    b bytea not null,
    probability float8 not null,
    at bigint not null,
    event bytea not null,
    primary key (a, b)
);
create index inferences_b on inferences (b);

-- The latest version holds. What was learned tells how people are called: sealed.
create table matching (
    version int generated always as identity primary key,
    spec json, -- null: switched off
    state text not null default 'filling',
    position bytea not null default '',
    model bytea,
    learned_at timestamptz,
    created_at timestamptz not null default now()
);

-- Profiles that changed since they were compared.
create table match_queue (
    number bigint generated always as identity primary key,
    profile bytea not null
);

-- The blocking keys, as keyed hashes, of those who allow profiling. Made anew at any time.
create table match_keys (
    key bytea not null,
    id bytea not null,
    primary key (key, id)
);
create index match_keys_id on match_keys (id);
"""


def upgrade() -> None:
    """Create them."""
    op.execute(TABLES)


def downgrade() -> None:
    """There is no way back that keeps what was said."""
    raise NotImplementedError("restore a backup instead")
