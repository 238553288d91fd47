"""The chain of consent facts: whatever is done to real rows in the database is found and named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cdp.db import named
from cdp.errors import ConfigurationError
from cdp.evidence import chain, chaining, verifying
from cdp.evidence.verifying import Verdict, Verifying
from cdp.instance import Running
from cdp.log.store import partition_of
from tests.conftest import Api
from tests.support.stores import MASTER_KEY

FORGED_AT = named(
    """update events set at = at - interval '1 day' where partition = :p and "offset" = :o"""
)
FORGED_PAYLOAD = named(
    """
    update events set payload = set_byte(payload, 20, get_byte(payload, 20) # 1)
     where partition = :p and "offset" = :o
    """
)
FORGED_SUBJECT = named(
    """update events set subject = sha256(subject) where partition = :p and "offset" = :o"""
)
HIDDEN = named("""update events set consent = false where partition = :p and "offset" = :o""")
GONE = named("""delete from events where partition = :p and "offset" = :o""")
UNCHAINED = named("""delete from consent_chain where partition = :p and "offset" = :o""")
CUT_LOG = named("""delete from events where partition = :p and "offset" >= :o""")
CUT_CHAIN = named("""delete from consent_chain where partition = :p and "offset" >= :o""")
REWOUND = named("update consent_heads set next_offset = :o where partition = :p")
HEADLESS = named("delete from consent_heads where partition = :p")
MOVE = named('update events set "offset" = :to where partition = :p and "offset" = :o')
MOVE_LINK = named('update consent_chain set "offset" = :to where partition = :p and "offset" = :o')
COPIED = named(
    """
    insert into events select partition, :to, sha256(id), subject, source, at, received_at,
                              consent, payload from events where partition = :p and "offset" = :o
    """
)
FORGED_LINK = named(
    """update consent_chain set mac = sha256(mac) where partition = :p and "offset" = :o"""
)
ADDED_LINK = named("insert into consent_chain values (:p, :o, sha256('made up'))")
DESTROYED = named("delete from subjects")


class Place(NamedTuple):
    """Where somebody's facts are."""

    partition: int
    offsets: list[int]


async def facts_of(api: Api, user: str = "ada", count: int = 5) -> Place:
    """So many decisions of one person, with something else between them; all of it chained."""
    for number in range(count):
        state = ("granted", "denied")[number % 2]
        await api.put(f"/consent/user_id:{user}", {"purpose": "marketing_email", "state": state})
        await api.send("/v1/page", {"userId": user})
    await api.settle()
    core = api.instance.core
    subject = core.vault.subject("user_id", user)
    rows = await core.database.rows(
        named('select "offset" from events where consent and subject = :s order by 1'), s=subject
    )
    assert len(rows) == count
    return Place(partition_of(subject, core.partitions), [row[0] for row in rows])


async def look(api: Api, head: str = "") -> Verdict:
    core = api.instance.core
    async with core.database.snapshot() as connection:
        noted = chain.read_anchor(head) if head else None
        return await Verifying(connection, core.vault).run(noted)


async def tamper(api: Api, *statements: tuple[Any, dict[str, int]]) -> None:
    async with api.instance.core.database.transaction() as connection:
        for statement, values in statements:
            await connection.execute(statement, values)


def named_as(verdict: Verdict) -> list[tuple[str, int | None]]:
    return [(each.kind, each.offset) for each in verdict.findings]


async def test_untouched_it_is_whole_and_follows_the_log(api: Api) -> None:
    assert await look(api) == Verdict(anchor=(await look(api)).anchor)
    place = await facts_of(api)
    whole = await look(api)
    assert (whole.facts, whole.waiting, whole.findings) == (5, 0, [])
    assert whole.anchor.split(":")[0].split(".")[place.partition] == str(place.offsets[-1])
    await api.put("/consent/user_id:ada", {"purpose": "profiling", "state": "granted"})
    assert ((await look(api)).facts, (await look(api)).waiting) == (6, 1)
    await api.settle()
    later = await look(api, whole.anchor)
    assert (later.waiting, later.findings) == (0, [])


@pytest.mark.parametrize("which", [0, 2, 4])
@pytest.mark.parametrize(
    "forgery", [FORGED_AT, FORGED_PAYLOAD, FORGED_SUBJECT], ids=["time", "payload", "subject"]
)
async def test_an_altered_row_is_named(api: Api, forgery: Any, which: int) -> None:
    place = await facts_of(api)
    at = place.offsets[which]
    await tamper(api, (forgery, {"p": place.partition, "o": at}))
    assert named_as(await look(api)) == [("altered", at)]


@pytest.mark.parametrize("which", [0, 2, 4])
@pytest.mark.parametrize("forgery", [GONE, HIDDEN], ids=["deleted", "hidden"])
async def test_a_row_that_is_gone_is_named(api: Api, forgery: Any, which: int) -> None:
    place = await facts_of(api)
    at = place.offsets[which]
    await tamper(api, (forgery, {"p": place.partition, "o": at}))
    assert named_as(await look(api)) == [("removed", at)]


@pytest.mark.parametrize("which", [0, 2])
async def test_a_row_that_is_gone_with_its_link_is_named(api: Api, which: int) -> None:
    place = await facts_of(api)
    at = {"p": place.partition, "o": place.offsets[which]}
    await tamper(api, (GONE, at), (UNCHAINED, at))
    assert named_as(await look(api)) == [("removed", at["o"])]


async def test_a_row_that_was_put_in_is_named(api: Api) -> None:
    place = await facts_of(api)
    between = place.offsets[1] + 1
    at = {"p": place.partition, "o": between}
    copy = {"p": place.partition, "o": place.offsets[0], "to": between}
    await tamper(api, (GONE, at), (COPIED, copy))
    assert named_as(await look(api)) == [("inserted", between)]
    await tamper(api, (ADDED_LINK, at))  # a link that somebody without the key makes up
    assert named_as(await look(api)) == [("altered", between)]


async def test_rows_that_were_exchanged_are_named(api: Api) -> None:
    place = await facts_of(api)
    one, other = place.offsets[1], place.offsets[3]
    steps = [(one, -1), (other, one), (-1, other)]
    moves = [(MOVE, {"p": place.partition, "o": o, "to": to}) for o, to in steps]
    await tamper(api, *moves)
    assert named_as(await look(api)) == [("moved", one), ("moved", other)]
    links = [(MOVE_LINK, {"p": place.partition, "o": o, "to": to}) for o, to in steps]
    await tamper(api, *links)  # with their macs they do not fit either
    found = {offset for _, offset in named_as(await look(api))}
    assert {one, other} <= found


async def test_a_forged_link_is_named(api: Api) -> None:
    place = await facts_of(api)
    at = place.offsets[2]
    await tamper(api, (FORGED_LINK, {"p": place.partition, "o": at}))
    assert named_as(await look(api)) == [("altered", at)]


async def test_a_log_that_was_cut_off_is_named(api: Api) -> None:
    place = await facts_of(api)
    at = {"p": place.partition, "o": place.offsets[3]}
    await tamper(api, (CUT_LOG, at))
    assert named_as(await look(api)) == [("removed", o) for o in place.offsets[3:]]
    await tamper(api, (CUT_CHAIN, at))
    assert named_as(await look(api)) == [("cut", None)]
    await tamper(api, (REWOUND, at))
    assert ("forged", None) in named_as(await look(api))
    await api.instance.driver.jobs.chain_consent()  # is not taken in by it
    assert ("forged", None) in named_as(await look(api))


async def test_who_takes_everything_back_is_caught_by_what_was_noted(api: Api) -> None:
    place = await facts_of(api)
    core = api.instance.core
    old = {"p": place.partition, "o": place.offsets[3]}
    noted = (await look(api)).anchor
    earlier = chain.sealed(
        core.vault, place.partition, place.offsets[3], await _mac(api, place, place.offsets[2])
    )
    await tamper(api, (CUT_LOG, old), (CUT_CHAIN, old))
    await core.database.rows(  # the head as it was then, kept since by whoever does this
        named(
            "update consent_heads set next_offset = :n, mac = :m, seal = :s where partition = :p"
        ),
        p=earlier.partition,
        n=earlier.next_offset,
        m=earlier.mac,
        s=earlier.seal,
    )
    assert (await look(api)).findings == []
    assert named_as(await look(api, noted)) == [("cut", place.offsets[4])]


async def _mac(api: Api, place: Place, offset: int) -> bytes:
    rows = await api.instance.core.database.rows(
        named('select mac from consent_chain where partition = :p and "offset" = :o'),
        p=place.partition,
        o=offset,
    )
    return bytes(rows[0][0])


async def test_another_chain_than_the_one_that_was_noted_is_told(api: Api) -> None:
    place = await facts_of(api)
    ends, mac = (await look(api)).anchor.split(":")
    other = f"{ends}:{mac[::-1]}"
    assert ("anchor", place.offsets[-1]) in named_as(await look(api, other))
    for wrong in ("", "5", f"{ends}:", f"x:{mac}", f"{ends}:{mac}0"):
        with pytest.raises(ConfigurationError, match="--head"):
            chain.read_anchor(wrong)


async def test_it_is_a_function_of_the_log(api: Api) -> None:
    place = await facts_of(api)
    before = await look(api)
    await tamper(api, (CUT_CHAIN, {"p": place.partition, "o": 0}))
    await tamper(api, (HEADLESS, {"p": place.partition}))
    await api.instance.driver.jobs.chain_consent()
    assert await look(api, before.anchor) == before


async def test_people_whose_keys_are_destroyed_leave_it_whole(api: Api) -> None:
    await facts_of(api)
    before = await look(api)
    await tamper(api, (DESTROYED, {}))
    assert await look(api, before.anchor) == before


async def test_many_tampered_rows_are_each_named(api: Api) -> None:
    place = await facts_of(api, count=12)
    p, offsets = place.partition, place.offsets
    await tamper(
        api,
        (FORGED_PAYLOAD, {"p": p, "o": offsets[1]}),
        (FORGED_AT, {"p": p, "o": offsets[2]}),
        (GONE, {"p": p, "o": offsets[5]}),
        (FORGED_SUBJECT, {"p": p, "o": offsets[8]}),
        (HIDDEN, {"p": p, "o": offsets[9]}),
    )
    assert sorted(named_as(await look(api))) == [
        ("altered", offsets[1]),
        ("altered", offsets[2]),
        ("altered", offsets[8]),
        ("removed", offsets[5]),
        ("removed", offsets[9]),
    ]


async def test_portions_make_no_difference(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaining, "SLICE", 3)
    place = await facts_of(api, count=7)
    await facts_of(api, "bob", count=4)
    whole = await look(api)
    assert (whole.facts, whole.waiting, whole.findings) == (11, 0, [])
    await tamper(api, (GONE, {"p": place.partition, "o": place.offsets[3]}))
    broken = await look(api, whole.anchor)
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(verifying, "PAGE", 2)
    core = api.instance.core
    async with core.database.snapshot() as connection:
        walk = Verifying(connection, core.vault, lambda done, of: told.append((done, of)))
        assert await walk.run(chain.read_anchor(whole.anchor)) == broken
    assert named_as(broken) == [("removed", place.offsets[3])]
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1][0] == told[-1][1] > 11


def command(running: Running, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {"CDP_MASTER_KEY": MASTER_KEY, "CDP_DATA_DIR": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "cdp", "consent", "verify", *arguments],
        env={"PATH": os.environ["PATH"], **running.environment(), **own},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_the_command_names_what_it_finds_and_ends_with_1(
    api: Api, running: Running, tmp_path: Path
) -> None:
    place = await facts_of(api)
    whole = command(running, tmp_path)
    assert (whole.returncode, whole.stdout.split(".")[0]) == (0, "Whole: 5 facts")
    head = whole.stdout.split()[-1]
    assert json.loads(command(running, tmp_path, "--json", "--head", head).stdout) == {
        "whole": True,
        "facts": 5,
        "waiting": 0,
        "found": 0,
        "findings": [],
        "head": head,
    }
    await tamper(api, (FORGED_AT, {"p": place.partition, "o": place.offsets[2]}))
    broken = command(running, tmp_path, "--head", head)
    assert broken.returncode == 1
    assert broken.stdout.split()[:2] == ["altered", f"{place.partition}/{place.offsets[2]}"]
    assert json.loads(command(running, tmp_path, "--json").stdout)["found"] == 1
    assert command(running, tmp_path, "--head", "nonsense").returncode == 2
