"""Identity: what operators say, what links nobody, and the history of merges and splits."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLES = """
alter table nodes add flags smallint not null default 0;
create index nodes_suspect on nodes (id) where flags & 10 <> 0;

-- Taken along by somebody who split off, and not looked at since.
alter table memberships add column carried boolean not null default false;

-- A projection: the latest word on each pair of identifiers, a < b.
create table verdicts (
    a bytea not null,
    b bytea not null,
    together boolean not null,
    at bigint not null,
    event bytea not null,
    primary key (a, b)
);
create index verdicts_b on verdicts (b);

-- A ledger: who became part of whom, as it happened.
create table identity_history (
    number bigint generated always as identity primary key,
    at bigint not null,
    former bytea not null,
    profile bytea not null,
    kind text not null,
    cause bytea not null
);
create index identity_history_former on identity_history (former);
create index identity_history_profile on identity_history (profile);
"""


def upgrade() -> None:
    """Create them."""
    op.execute(TABLES)


def downgrade() -> None:
    """There is no way back that keeps what was said."""
    raise NotImplementedError("restore a backup instead")
