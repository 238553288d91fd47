"""Deliveries that are not made yet, by person: whoever withdraws waits for those under way."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    """Few rows are in it at a time."""
    with op.get_context().autocommit_block():
        op.execute("drop index if exists deliveries_open")
        op.execute(
            "create index concurrently deliveries_open on deliveries (profile)"
            " where state in ('requested', 'retrying', 'sending')"
        )


def downgrade() -> None:
    """Nothing is lost."""
    op.execute("drop index deliveries_open")
