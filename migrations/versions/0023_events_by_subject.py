"""Where in the log a person's events are: for explanations, timelines, the past, corrections."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    """Beside the traffic: the log may be long."""
    with op.get_context().autocommit_block():
        op.execute(
            "create index concurrently if not exists events_subject"
            ' on events (subject, partition, "offset")'
        )


def downgrade() -> None:
    """Nothing is lost."""
    op.execute("drop index events_subject")
