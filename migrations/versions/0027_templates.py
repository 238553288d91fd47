"""Templates, and each of their versions."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLES = """
create table templates (
    key text primary key,
    version int not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create table template_versions (
    key text not null,
    version int not null,
    config json not null,
    made_at timestamptz not null default now(),
    primary key (key, version)
);
"""


def upgrade() -> None:
    """New tables alone."""
    op.execute(TABLES)


def downgrade() -> None:
    """Templates are configuration, and gone with it."""
    op.execute("drop table templates, template_versions")
