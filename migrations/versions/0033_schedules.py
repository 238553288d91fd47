"""When campaigns by schedule came, and how far through their audience that is."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLE = """
create table campaign_occurrences (
    campaign text not null,
    wall text not null,
    at bigint not null,
    state text not null check (state in ('under way', 'done', 'missed')),
    reason text not null default '',
    after bytea not null default '',
    begun int not null default 0,
    late int not null default 0,
    primary key (campaign, wall)
)
"""


def upgrade() -> None:
    """A new table alone."""
    op.execute(TABLE)


def downgrade() -> None:
    """What was under way ends where it is."""
    op.execute("drop table campaign_occurrences")
