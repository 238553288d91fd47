"""Destinations with a rate: which slot is free next, and who waits for the last one given out."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLE = """
create table delivery_slots (
    destination text primary key,
    free bigint not null,
    last bigint
)
"""


def upgrade() -> None:
    """A new table alone."""
    op.execute(TABLE)


def downgrade() -> None:
    """What waits comes back by itself an hour after its slot."""
    op.execute("drop table delivery_slots")
