"""Models that are learned from people: what is wanted, each time one was fitted, whom to score."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
PHASE = "expand"

# `due` is when it is fitted next, `fit` the version by which people are scored, and `position` how
# far that has gone through everybody; null: through all of them.
MODELS = """
create table models (
    key text primary key,
    id int generated always as identity unique,
    kind text not null,
    name text not null,
    purpose text not null,
    wanted json not null,
    active json,
    build int not null,
    version int not null,
    due bigint not null,
    fit int,
    position bytea,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
)
"""
# `content` is what was learned, sealed.
FITS = """
create table model_fits (
    id int generated always as identity primary key,
    model int not null,
    version int not null,
    state text not null,
    people int not null default 0,
    content bytea,
    error text not null default '',
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    unique (model, version)
)
"""
# Nobody waits for a lock here: a profile may be in it twice.
QUEUE = """
create table score_queue (
    number bigint generated always as identity primary key,
    profile bytea not null
)
"""


def upgrade() -> None:
    """Beside what is there."""
    for statement in (MODELS, FITS, QUEUE):
        op.execute(statement)


def downgrade() -> None:
    """What models said stays in the log, and older processes cannot read it."""
    raise NotImplementedError("restore a backup: an older release does not know of predictions")
