"""Pacing: what holds for all messages, what each person got lately, and when people are there."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLES = """
create table pacing (
    id int primary key default 1 check (id = 1),
    config json not null,
    updated_at timestamptz not null default now()
);
create table pacing_slots (
    delivery bytea primary key,
    profile bytea not null,
    channel text not null,
    purpose text not null,
    at bigint not null
);
create index pacing_slots_profile on pacing_slots (profile, at);
create table pacing_hours (
    cohort text not null,
    hour smallint not null,
    times bigint not null,
    primary key (cohort, hour)
);
"""


def upgrade() -> None:
    """New tables, and an index of what waits: whoever withdraws looks at it."""
    op.execute(TABLES)
    with op.get_context().autocommit_block():
        op.execute(
            "create index concurrently if not exists deliveries_delayed on deliveries (profile)"
            " where state = 'delayed'"
        )


def downgrade() -> None:
    """What people got lately is forgotten; the ledger has it."""
    op.execute("drop index deliveries_delayed")
    op.execute("drop table pacing, pacing_slots, pacing_hours")
