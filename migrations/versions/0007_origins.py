"""A delivery knows what it goes back to, so that its latency and its trace can be told."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    """Empty for deliveries that were requested before."""
    op.execute("alter table deliveries add column origin bytea not null default ''")


def downgrade() -> None:
    """Nothing depends on it."""
    op.execute("alter table deliveries drop column origin")
