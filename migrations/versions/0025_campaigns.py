"""Campaigns, people's journeys through them, and what is still to be taken up of events."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
PHASE = "expand"

# `heard` is what agents note of an event, or a call, for whoever its person is: a start or a goal.
TABLES = """
create table campaigns (
    key text primary key,
    version int not null,
    paused boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create table campaign_versions (
    key text not null,
    version int not null,
    config json not null,
    made_at timestamptz not null default now(),
    primary key (key, version)
);
create table campaign_heard (
    id bytea primary key,
    campaign text not null,
    goal boolean not null,
    subject bytea not null,
    cause text not null,
    at bigint not null
);
create index campaign_heard_subject on campaign_heard (subject);
create table journeys (
    id bytea primary key,
    campaign text not null,
    version int not null,
    profile bytea not null,
    cause text not null,
    at bigint not null,
    state text not null,
    place int not null,
    due bigint,
    woken bigint,
    reason text not null,
    converted_at bigint
);
create index journeys_profile on journeys (profile);
create index journeys_campaign on journeys (campaign, at, id);
create index journeys_due on journeys (due) where due is not null;
create table journey_sends (
    delivery bytea primary key,
    journey bytea not null,
    step int not null,
    destination text not null
);
create index journey_sends_journey on journey_sends (journey);
"""


def upgrade() -> None:
    """New tables alone."""
    op.execute(TABLES)


def downgrade() -> None:
    """Journeys end; what was requested is in the ledger of deliveries."""
    op.execute("drop table campaigns, campaign_versions, campaign_heard, journeys, journey_sends")
