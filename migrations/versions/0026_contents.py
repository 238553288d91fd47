"""The content catalogue: what is shown in slots of web pages."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
PHASE = "expand"

CONTENTS = """
create table contents (
    key text primary key,
    content json not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
)
"""


def upgrade() -> None:
    """Beside what is there."""
    op.execute(CONTENTS)


def downgrade() -> None:
    """Content is configuration, and gone with it."""
    op.execute("drop table contents")
