"""Computed traits that destinations subscribe to: what each was told, and who is queued."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLES = """
create table computed_told (
    destination text not null,
    profile bytea not null,
    digest bytea not null,
    primary key (destination, profile)
);
create index computed_told_profile on computed_told (profile);
create table computed_due (
    profile bytea primary key,
    due bigint not null
);
create index computed_due_due on computed_due (due);
alter table definitions add column watched boolean not null default false;
"""


def upgrade() -> None:
    """New tables, and a column of one row that says whether anybody subscribes."""
    op.execute(TABLES)


def downgrade() -> None:
    """Nobody is told that computed traits changed."""
    op.execute("alter table definitions drop column watched")
    op.execute("drop table computed_due, computed_told")
