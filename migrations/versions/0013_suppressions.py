"""The suppression list, and an append that takes nothing from who does not know all of it."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
PHASE = "expand"

# Keyed hashes of identifiers; `number` counts the changes, so that processes can ask for new ones.
LIST = """
create table suppressions (
    subject bytea primary key,
    number bigint not null unique,
    lifted boolean not null default false,
    at timestamptz not null default now()
)
"""
# `known` is the number of the last change that the caller has looked at; null: it need not look.
APPEND = """
create function append_allowed(
    known bigint, partitions int[], ids bytea[], subjects bytea[], sources int[], ats bigint[],
    received bigint[], consents boolean[], payloads bytea[]
) returns bigint language plpgsql as $$
begin
    if known < (select max(number) from suppressions) then
        return null;
    end if;
    return append_events(partitions, ids, subjects, sources, ats, received, consents, payloads);
end $$;
"""


def upgrade() -> None:
    """Older processes append as they did, whatever is suppressed meanwhile."""
    for statement in (LIST, APPEND):
        op.execute(statement)


def downgrade() -> None:
    """Nobody is suppressed any more."""
    op.execute("drop function append_allowed")
    op.execute("drop table suppressions")
