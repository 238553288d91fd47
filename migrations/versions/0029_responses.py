"""What people did with messages, as facts in the log say: once for each message and kind."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLE = """
create table responses (
    delivery bytea not null,
    kind text not null,
    at bigint not null,
    primary key (delivery, kind)
)
"""


def upgrade() -> None:
    """A new table alone."""
    op.execute(TABLE)


def downgrade() -> None:
    """The facts stay in the log."""
    op.execute("drop table responses")
