"""What a template was written as, where that is not what it became: MJML."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    """A column that may be empty: older processes read what it became alone."""
    op.execute("alter table template_versions add column source json")


def downgrade() -> None:
    """What it became stays."""
    op.execute("alter table template_versions drop column source")
