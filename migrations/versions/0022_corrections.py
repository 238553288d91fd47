"""Why a delivery was requested; and what became of memberships that somebody split off with."""

from alembic import op

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    """Older processes leave both alone."""
    op.execute("alter table deliveries add column cause text not null default ''")


def downgrade() -> None:
    """Nothing is lost that decisions rest on."""
    op.execute("alter table deliveries drop column cause")
