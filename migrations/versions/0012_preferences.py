"""The preference centre: which links were taken back, and how its pages look."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
PHASE = "expand"

REVOCATIONS = """
create table link_revocations (
    subject bytea not null,
    scope text not null,
    before bigint not null,
    primary key (subject, scope)
)
"""
BRAND = """
create table brand (
    one boolean primary key default true check (one),
    name text not null,
    color text not null,
    logo text not null,
    address text not null,
    privacy_url text not null,
    updated_at timestamptz not null default now()
)
"""


def upgrade() -> None:
    """Older processes know neither of them."""
    op.execute(REVOCATIONS)
    op.execute(BRAND)


def downgrade() -> None:
    """Links that were taken back work again until they expire."""
    op.execute("drop table link_revocations, brand")
