"""Tracking plans with all their versions, and counts of what was received."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
PHASE = "expand"

# No content: from this version on the source has no plan.
PLANS = """
create table tracking_plans (
    source int not null references sources,
    version int not null,
    created_at timestamptz not null default now(),
    content json,
    primary key (source, version)
)
"""
# Sums by the hour of receipt, of events and properties by the keyed hashes of their names.
QUALITY = """
create table quality (
    hour timestamptz not null,
    source int not null,
    event bytea not null,
    measure text not null,
    property bytea not null,
    detail text not null,
    count bigint not null,
    primary key (hour, source, event, measure, property, detail)
) with (fillfactor = 70)
"""
# Sealed; the last day on which each was seen, in days since 1970.
NAMES = "create table quality_names (id bytea primary key, name bytea not null, day int not null)"


def upgrade() -> None:
    """Older processes hold nothing against a plan, and count nothing."""
    op.execute(PLANS)
    op.execute(QUALITY)
    op.execute(NAMES)


def downgrade() -> None:
    """Plans are forgotten, and so is what was counted."""
    op.execute("drop table quality")
    op.execute("drop table quality_names")
    op.execute("drop table tracking_plans")
