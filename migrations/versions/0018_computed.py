"""Computed traits, versions of definitions, and counters that keep more than instants."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
PHASE = "expand"

# Older processes keep instants for every counter, and show nothing of the others.
COUNTERS = """
alter table counters
    add column keep text not null default 'instants',
    add column property text not null default '',
    add column horizon bigint not null default 0
"""
COMPUTED = """
create table computed_traits (
    key text primary key,
    name text not null,
    purpose text not null,
    wanted json not null,
    active json,
    build int not null,
    version int not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
)
"""
VERSIONS = """
create table versions (
    kind text not null,
    key text not null,
    version int not null,
    name text not null,
    purpose text not null,
    definition json not null,
    made_at timestamptz not null default now(),
    primary key (kind, key, version)
)
"""
KNOWN = """
insert into versions (kind, key, version, name, purpose, definition, made_at)
select 'segment', key, version, name, purpose, wanted, updated_at from segments
"""


def upgrade() -> None:
    """What is wanted now is the first version that is known."""
    for statement in (COUNTERS, COMPUTED, VERSIONS, KNOWN):
        op.execute(statement)


def downgrade() -> None:
    """Without what these counters keep, segments that ask for it are empty."""
    raise NotImplementedError("restore a backup: definitions may use what an older schema lacks")
