"""Which version looked at a profile last: what a next version might add."""

from pathlib import Path

from alembic import op

import migrations.versions

revision = "9001"
down_revision = max(
    path.name[:4] for path in Path(migrations.versions.__path__[0]).glob("[0-8]*.py")
)
branch_labels = None
depends_on = None
PHASE = "expand"

# A row in a slice is locked until the slice is done, not until all are.
_BACKFILL = """
do $$ begin
    loop
        update profiles set seen_by = 'before' where id in
               (select id from profiles where seen_by is null order by id limit 100);
        exit when not found;
        commit;
    end loop;
end $$
"""


def upgrade() -> None:
    """What is not in the migration's transaction can be run again, should it be stopped here."""
    op.execute("alter table profiles add column if not exists seen_by text")
    with op.get_context().autocommit_block():
        op.execute("drop index if exists profiles_seen_by")
        op.execute("create index concurrently profiles_seen_by on profiles (seen_by)")
        op.execute(_BACKFILL)


def downgrade() -> None:
    """Not needed here."""
    raise NotImplementedError
