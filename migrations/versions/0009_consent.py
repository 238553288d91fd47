"""How people stand by the law of where they are, and what decisions were told with."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
PHASE = "expand"

PURPOSES = """
alter table purposes
    alter by_default drop not null,
    add column bases jsonb not null default '{}',
    add column validity_days int,
    add column channels text[] not null default '{}';
update purposes set channels = '{email}' where key = 'marketing_email';
update purposes set channels = '{push}' where key = 'marketing_push';
"""

DECISIONS = """
alter table decisions
    add column jurisdiction text not null default '',
    add column notice text not null default '';

-- Where subjects were seen: the law that holds for those who have decided nothing.
create table seen_in (subject bytea not null, code text not null, primary key (subject, code));

-- Subjects whose events may be stored because they said so.
create table collectable (subject bytea primary key);

create table notices (
    version text not null,
    language text not null,
    title text not null,
    text text not null,
    text_hash text not null,
    created_at timestamptz not null default now(),
    primary key (version, language)
);
"""

SOURCES = "alter table sources add column necessary boolean not null default false"


def upgrade() -> None:
    """Purposes that are there keep the default that they have."""
    for part in (PURPOSES, DECISIONS, SOURCES):
        op.execute(part)


def downgrade() -> None:
    """Purposes without a default of their own get the strictest."""
    op.execute("update purposes set by_default = 'denied' where by_default is null")
    op.execute(
        "alter table purposes alter by_default set not null,"
        " drop bases, drop validity_days, drop channels"
    )
    op.execute("alter table decisions drop jurisdiction, drop notice")
    op.execute("drop table seen_in, collectable, notices")
    op.execute("alter table sources drop necessary")
