"""Changes of the master key: what outlives it is kept, sealed with the one that came after."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
PHASE = "expand"

# No row: the instance is under the master key that it was born with.
# `former` gave way to `key_check`; once that is settled, nothing is wrapped by it any more.
KEYSET = """
create table keyset (
    generation int generated always as identity primary key,
    key_check bytea not null unique,
    former bytea not null,
    kept bytea not null,
    begun_at timestamptz not null default now(),
    settled_at timestamptz,
    finished_at timestamptz
)
"""


def upgrade() -> None:
    """Older processes know the first master key alone, and it is in force."""
    op.execute(KEYSET)


def downgrade() -> None:
    """Without what is kept here, nothing opens once the master key was changed."""
    raise NotImplementedError("restore a backup: a changed master key is not changed back")
