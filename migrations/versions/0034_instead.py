"""Messages in the place of one that failed, addresses that bounce, and what reached goals."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    """Columns that may be empty, or have defaults: to older processes a bounce ends everything."""
    op.execute("alter table journey_sends add column instead_of bytea")
    op.execute("alter table journey_sends add column because text not null default ''")
    op.execute("alter table suppressions add column because text not null default ''")
    op.execute("alter table journeys add column converted_by bytea")
    op.execute("alter table journey_sends add column template text not null default ''")


def downgrade() -> None:
    """A bounce ends everything again."""
    op.execute("alter table journey_sends drop column template")
    op.execute("alter table journeys drop column converted_by")
    op.execute("alter table suppressions drop column because")
    op.execute("alter table journey_sends drop column because")
    op.execute("alter table journey_sends drop column instead_of")
