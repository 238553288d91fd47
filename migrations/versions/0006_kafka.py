"""How far the log and the outbox have been published to Kafka."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLE = """
create table published (
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    primary key (topic, partition)
) with (fillfactor = 50);
"""


def upgrade() -> None:
    """Create it; rows come with the first relay."""
    op.execute(TABLE)


def downgrade() -> None:
    """A relay finds its position by what Kafka has, too."""
    op.execute("drop table published")
