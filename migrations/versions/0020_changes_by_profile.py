"""The ledger of entries and exits by person: timelines, and who was in a segment when."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    """Beside the traffic: the ledger may be long."""
    with op.get_context().autocommit_block():
        op.execute(
            "create index concurrently if not exists changes_profile on changes (profile, at)"
        )


def downgrade() -> None:
    """Nothing is lost."""
    op.execute("drop index changes_profile")
