"""Fragments carry a tag that says which of their versions they are; the log loses an index."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table fragments add column tag bigint not null default 0")
    # A random place in an index for every event, and nothing that reads it.
    op.execute("drop index events_subject")


def downgrade() -> None:
    raise NotImplementedError("restore a backup: an append-only log is not taken back")
