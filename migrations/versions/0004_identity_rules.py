"""Identity rules: versions on their way through the graph, and trials of others."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLES = """
-- The latest version is in force; `position` says how far its state has come.
create table identity_rules (
    version int generated always as identity primary key,
    rules json not null,
    state text not null default 'marking',
    position bytea not null default '',
    created_at timestamptz not null default now()
);

create table identity_trials (
    id uuid primary key,
    rules json not null,
    state text not null default 'waiting',
    done bigint not null default 0,
    total bigint not null,
    result bytea, -- it names people: sealed
    created_at timestamptz not null default now()
);
"""


def upgrade() -> None:
    """Create them."""
    op.execute(TABLES)


def downgrade() -> None:
    """There is no way back that keeps the rules."""
    raise NotImplementedError("restore a backup instead")
