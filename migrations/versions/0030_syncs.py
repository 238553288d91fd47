"""Runs that bring a destination to how things are, and what each was told last of whom."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLE = """
create table syncs (
    number bigint generated always as identity primary key,
    destination text not null,
    reason text not null,
    whole boolean not null,
    segments text[] not null,
    state text not null default 'waiting',
    place int not null default 0,
    position bytea not null default '',
    looked_at bigint not null default 0,
    members bigint not null default 0,
    entered bigint not null default 0,
    gone bigint not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    ended_at timestamptz
);
create index syncs_destination on syncs (destination, number);
create index syncs_open on syncs (destination, number) where ended_at is null;
"""


def upgrade() -> None:
    """A new table, and an index beside the traffic: the ledger of deliveries may be long."""
    op.execute(TABLE)
    with op.get_context().autocommit_block():
        op.execute(
            "create index concurrently if not exists deliveries_told"
            " on deliveries (destination, segment, profile) where kind in ('entered', 'left')"
        )


def downgrade() -> None:
    """Runs end; what they requested is in the ledger of deliveries."""
    op.execute("drop index deliveries_told")
    op.execute("drop table syncs")
