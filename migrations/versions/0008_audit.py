"""What operators did: an append-only, chained log; and when keys were used and when they end."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
PHASE = "expand"

TABLE = """
create table audit (
    position bigint primary key,
    at timestamptz not null,
    actor text not null,
    name text not null,
    address text not null,
    action text not null,
    target text not null,
    people bytea[] not null,
    outcome text not null,
    request text not null,
    mac bytea not null
);
"""
# What keeps honest programs honest; the chain shows what others do.
GUARD = """
create function audit_stays() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('cdp.audit_trim', true) = 'on' then
        return old;
    end if;
    raise exception 'the audit log is append-only; `cdp audit trim` takes off its oldest part';
end $$;
create trigger audit_stays before update or delete on audit
    for each row execute function audit_stays();
create trigger audit_stays_whole before truncate on audit
    for each statement execute function audit_stays();
"""
KEYS = """
alter table api_keys add column expires_at timestamptz, add column used_at timestamptz;
alter table sources add column used_at timestamptz;
"""


def upgrade() -> None:
    """Older processes neither see nor miss any of it."""
    for statement in (TABLE, GUARD, KEYS):
        op.execute(statement)


def downgrade() -> None:
    """What was noted is gone."""
    op.execute("drop table audit; drop function audit_stays;")
    op.execute("alter table api_keys drop column expires_at, drop column used_at;")
    op.execute("alter table sources drop column used_at;")
