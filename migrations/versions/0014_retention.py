"""How long events are kept, by source and purpose, and how far what is over has been taken out."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
PHASE = "expand"

# Days from receipt; null: for good.
DAYS = """
alter table sources add column retention_days int;
alter table purposes add column retention_days int;
"""
# Of each source, in each partition of the log: all before this offset is dealt with.
DONE = """
create table retention (
    source int not null,
    partition smallint not null,
    next_offset bigint not null,
    primary key (source, partition)
)
"""
# Facts of which only the decisions on consent are left: SHA-256 of what the chain covers, and a
# mac over that and what stands there now, which nobody makes without the master key.
REDUCED = """
create table reduced (
    partition smallint not null,
    "offset" bigint not null,
    digest bytea not null,
    mac bytea not null,
    primary key (partition, "offset")
)
"""


def upgrade() -> None:
    """Everything is kept for good until somebody says otherwise."""
    for statement in (DAYS, DONE, REDUCED):
        op.execute(statement)


def downgrade() -> None:
    """What was taken out is gone, and older versions cannot tell it from forgery."""
    raise NotImplementedError("restore a backup: what retention took out does not come back")
