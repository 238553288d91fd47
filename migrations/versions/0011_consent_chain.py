"""What shows that a fact about consent was altered or taken out: a chain beside the log."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
PHASE = "expand"

# One row for each fact with consent, in the order of the log; `mac` covers the one before it too.
CHAIN = """
create table consent_chain (
    partition smallint not null,
    "offset" bigint not null,
    mac bytea not null,
    primary key (partition, "offset")
);
"""
# How far the chain has come in each partition of the log, and its last mac; `seal` is over both.
HEADS = """
create table consent_heads (
    partition smallint primary key,
    next_offset bigint not null,
    mac bytea not null,
    seal bytea not null
) with (fillfactor = 50);
"""


def upgrade() -> None:
    """Empty: the scheduler chains what is in the log already, from its first fact on."""
    for statement in (CHAIN, HEADS):
        op.execute(statement)


def downgrade() -> None:
    """It can be made again from the log."""
    op.execute("drop table consent_heads, consent_chain")
