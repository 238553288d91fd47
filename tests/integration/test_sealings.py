"""Every column of bytes is protected by something; data keys are wrapped to open again."""

from __future__ import annotations

import pytest

from cdp import keyset
from cdp.db import Database, named
from cdp.errors import StoreUnavailable
from cdp.instance import Running
from cdp.log.keyring import Keyring
from cdp.sealings import COLUMNS
from tests.support.instances import Instance
from tests.support.rotation import CLOSED, NEW, OLD, change

# What protects each column of bytes. `data key`: sealed with a subject's own key. `hash`: keyed
# hashes, and ids that are random or derived from such. `mac`: signatures. `master`: sealed with
# what changes with the master key, see `cdp.sealings`. `plain`: says nothing of anybody.
PROTECTED = {
    "api_keys.key_hash": "hash",
    "audit.mac": "mac",
    "audit.people": "hash",
    "builds.touched_to": "hash",
    "campaign_heard.id": "hash",
    "campaign_heard.subject": "hash",
    "campaign_occurrences.after": "hash",
    "carried.profile": "hash",
    "changes.profile": "hash",
    "collectable.subject": "hash",
    "computed_due.profile": "hash",
    "computed_told.digest": "hash",
    "computed_told.profile": "hash",
    "consent_chain.mac": "mac",
    "consent_heads.mac": "mac",
    "consent_heads.seal": "mac",
    "decisions.event": "hash",
    "decisions.subject": "hash",
    "deliveries.body": "master",
    "deliveries.id": "hash",
    "deliveries.origin": "plain",  # two instants, and the ids of a trace and a span
    "deliveries.profile": "hash",
    "destinations.secret": "master",
    "edges.a": "hash",
    "edges.b": "hash",
    "edges.event": "hash",
    "erasures.subject": "hash",
    "events.id": "hash",
    "events.payload": "data key",
    "events.subject": "hash",
    "fragments.data": "data key",
    "fragments.subject": "hash",
    "identity_history.cause": "hash",
    "identity_history.former": "hash",
    "identity_history.profile": "hash",
    "identity_rules.position": "hash",
    "identity_trials.result": "master",
    "inferences.a": "hash",
    "inferences.b": "hash",
    "inferences.event": "hash",
    "keyset.former": "plain",  # tells one master key from another
    "keyset.kept": "plain",  # sealed with one master key, and made anew for the next
    "keyset.key_check": "plain",
    "link_revocations.subject": "hash",
    "journey_sends.delivery": "hash",
    "journey_sends.instead_of": "hash",
    "journey_sends.journey": "hash",
    "journeys.converted_by": "hash",
    "journeys.id": "hash",
    "journeys.profile": "hash",
    "match_keys.id": "hash",
    "match_keys.key": "hash",
    "match_queue.profile": "hash",
    "matching.model": "master",
    "matching.position": "hash",
    "memberships.profile": "hash",
    "model_fits.content": "master",
    "models.position": "hash",
    "responses.delivery": "hash",
    "score_queue.profile": "hash",
    "syncs.position": "hash",
    "meta.value": "plain",
    "nodes.component": "hash",
    "nodes.id": "hash",
    "nodes.profile": "hash",
    "outbox.key": "hash",
    "outbox.value": "hash",  # ids, instants and names of segments
    "pacing_slots.delivery": "hash",
    "pacing_slots.profile": "hash",
    "parked.key": "hash",
    "parked.value": "data key",  # an event as the log has it, or what the outbox had
    "privacy_archives.data": "data key",  # or, for who has none, a key that never changes
    "privacy_requests.people": "hash",
    "privacy_requests.reference": "master",
    "privacy_requests.subject": "hash",
    "profiles.id": "hash",
    "quality.event": "hash",
    "quality.property": "hash",
    "quality_names.id": "hash",
    "quality_names.name": "master",
    "quarantine.body": "master",
    "quarantine.key_hash": "hash",
    "quarantine.ref": "plain",  # random
    "reduced.digest": "plain",  # of sealed bytes
    "reduced.mac": "mac",
    "seen_in.subject": "hash",
    "sources.key_hash": "hash",
    "subjects.id": "hash",
    "subjects.key": "master",
    "suppressions.subject": "hash",
    "uncollectable.subject": "hash",
    "verdicts.a": "hash",
    "verdicts.b": "hash",
    "verdicts.event": "hash",
}
BYTES = named(
    """
    select c.table_name || '.' || c.column_name from information_schema.columns c
      join pg_class t on t.relname = c.table_name and not t.relispartition
     where c.table_schema = 'public' and (c.data_type = 'bytea' or c.udt_name = '_bytea')
    """
)


async def test_every_column_of_bytes_says_what_protects_it(instance: Instance) -> None:
    there = {row[0] for row in await instance.core.database.rows(BYTES)}
    assert there == PROTECTED.keys(), "say what protects a new column, and add it to cdp.sealings"
    by_master = {name for name, how in PROTECTED.items() if how == "master"}
    assert by_master == {f"{each.table}.{each.column}" for each in COLUMNS}


async def test_a_keyring_holds_no_more_than_its_bound(instance: Instance) -> None:
    keyring = Keyring(instance.core.vault, size=10)
    subjects = [instance.core.vault.subject("user_id", str(n)) for n in range(25)]
    for at in range(0, 25, 5):
        held = await keyring.ensure(instance.core.database, subjects[at : at + 5])
        assert len(held) == 5
        assert len(keyring._held) <= 10
    assert keyring._held.keys() == set(subjects[15:])
    async with instance.core.database.transaction() as connection:
        assert len(await keyring.load(connection, subjects)) == 25  # whatever is asked for at once
    assert len(keyring._held) == 10


async def test_who_was_cut_off_meanwhile_cannot_wrap_with_the_old_key(running: Running) -> None:
    """Nobody would open that any more."""
    ours = keyset.opened(running.database_url, [NEW, OLD])
    known, new = (ours.subject("user_id", name) for name in ("known", "new"))
    keyring, database = Keyring(ours), Database(running.database_url, knows=ours.checks)
    await keyring.ensure(database, [known])
    await database.close()
    assert (await change(running, NEW, OLD, patience=CLOSED)).waits_for == 0
    with pytest.raises(StoreUnavailable, match="the master key was changed"):
        await keyring.ensure(database, [known, new])
    ours.become(keyset.opened(running.database_url, [NEW, OLD]))
    assert (await keyring.ensure(database, [known, new])).keys() == {known, new}
    await database.close()
    fresh = Keyring(keyset.opened(running.database_url, [NEW]))
    assert (await fresh.ensure(database, [known, new])).keys() == {known, new}
    await database.close()
