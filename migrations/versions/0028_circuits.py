"""Destinations that do not answer, what is held for them, and tries whose outcome nobody knows."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLE = """
create table circuits (
    destination text primary key,
    state text not null check (state in ('open', 'closing')),
    probes int not null,
    until bigint not null,
    since bigint not null,
    reason text not null
)
"""


def upgrade() -> None:
    """A new table, a column with a default, and an index of what is held."""
    op.execute(TABLE)
    op.execute("alter table deliveries add column certain boolean not null default true")
    with op.get_context().autocommit_block():
        op.execute(
            "create index concurrently if not exists deliveries_held"
            " on deliveries (destination, due) where state = 'retrying'"
        )


def downgrade() -> None:
    """What is held comes back within an hour."""
    op.execute("drop index deliveries_held")
    op.execute("alter table deliveries drop column certain")
    op.execute("drop table circuits")
