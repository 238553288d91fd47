"""Nobody counts the uncollected any more: what a next version might take away."""

from alembic import op

revision = "9002"
down_revision = "9001"
branch_labels = None
depends_on = None
PHASE = "contract"


def upgrade() -> None:
    """The version before needs it."""
    op.execute("drop table uncollected")


def downgrade() -> None:
    """Not needed here."""
    raise NotImplementedError
