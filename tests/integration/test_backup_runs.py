"""A backup taken again adds what is new, one that was stopped goes on; damage is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cdp import assembly, transfer
from cdp.backup import manifest, taking
from cdp.backup.restoring import Restoring
from cdp.db import named
from cdp.errors import ConfigurationError, Damaged, StoreUnavailable
from cdp.instance import Running
from tests.conftest import Api
from tests.support.backups import api_of, back_up, digests, live, restore, restore_into, rows
from tests.support.receiver import Receiver, receiving
from tests.support.stores import Stores


@pytest.fixture(autouse=True)
def short_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few hundred events fill several."""
    monkeypatch.setattr(taking, "SEGMENT", 50)


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def busy(api: Api, hook: Receiver) -> Api:
    """An instance with a past."""
    await live(api, hook)
    return api


def files(directory: Path) -> dict[str, float]:
    """Every file of rows, and when it was written."""
    found = directory.rglob("*.copy.zst")
    return {str(path.relative_to(directory)): path.stat().st_mtime_ns for path in found}


async def test_again_adds_only_what_is_new(
    busy: Api, running: Running, stores: Stores, tmp_path: Path
) -> None:
    directory = tmp_path / "backup"
    first, _ = back_up(busy.instance, running, directory)
    before = files(directory)
    assert back_up(busy.instance, running, directory)[1] == 0
    assert files(directory).keys() == before.keys()
    for number in range(60):
        await busy.send("/v1/track", {"userId": f"later-{number % 3}", "event": "Later"})
    await busy.settle()
    second, new = back_up(busy.instance, running, directory)
    assert second.events == first.events + 60
    assert new == 60
    full = [f for f in first.of("events") if f.rows == 50]
    assert len(full) > 5
    assert all(files(directory)[file.path] == before[file.path] for file in full)
    assert set(files(directory)) == {file.path for file in second.files}
    target, _ = await restore(stores, directory, tmp_path / "home")
    async with api_of(target, tmp_path / "home") as again:
        assert await digests(again.instance) == await digests(busy.instance)


async def test_a_destroyed_key_is_gone_from_the_next_backup(
    busy: Api, running: Running, stores: Stores, tmp_path: Path
) -> None:
    directory = tmp_path / "backup"
    back_up(busy.instance, running, directory)
    subject = busy.instance.core.vault.subject("user_id", "user-00000001")
    forget = named("delete from subjects where id = :id returning key")
    ((wrapped,),) = await busy.instance.core.database.rows(forget, id=subject)
    back_up(busy.instance, running, directory)
    for path in files(directory):
        plain = b"".join(taking.files.read(directory / path))
        assert wrapped not in plain, path
    target, _ = await restore(stores, directory, tmp_path / "home")
    async with api_of(target, tmp_path / "home") as again:
        assert (await again.call("GET", "/profiles/user_id:user-00000001")).status_code == 404


async def test_events_come_in_meanwhile(
    api: Api, running: Running, stores: Stores, tmp_path: Path
) -> None:
    """What was answered before the backup began is in it, and of the rest a beginning."""
    for number in range(300):
        await api.send(
            "/v1/track", {"userId": f"u{number % 7}", "event": "E", "messageId": f"{number}"}
        )
    stop, sent = asyncio.Event(), 300

    async def more() -> None:
        nonlocal sent
        while not stop.is_set():
            message = {"userId": f"u{sent % 7}", "event": "E", "messageId": f"{sent}"}
            assert (await api.send("/v1/track", message)).status_code == 200
            sent += 1

    sending = asyncio.create_task(more())
    made, _ = await asyncio.to_thread(back_up, api.instance, running, tmp_path / "backup")
    stop.set()
    await sending
    assert 300 <= made.events <= sent
    target, _ = await restore(stores, tmp_path / "backup", tmp_path / "home")
    async with api_of(target, tmp_path / "home") as again:
        await again.settle()
        theirs = await rows(again.instance, "events", 'partition, "offset"')
        ours = await rows(api.instance, "events", 'partition, "offset"')
        for partition in range(4):
            own = [row for row in ours if row[0] == partition]
            kept = [row for row in theirs if row[0] == partition]
            assert kept == own[: len(kept)]
        assert len(theirs) == made.events


async def test_a_backup_that_was_stopped_goes_on(
    busy: Api, running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "backup"
    whole = files_of_a_run_stopped_after(200, busy, running, directory)
    assert len(whole) >= 4
    with pytest.raises(ConfigurationError, match="holds no complete backup"):
        manifest.load(directory)
    with (directory / "under-way.jsonl").open("ab") as journal:
        journal.write(b'\n{"path": "ev')  # a power cut
    made, new = back_up(busy.instance, running, directory)
    assert {path: files(directory)[path] for path in whole} == whole
    assert 0 < new < made.events
    assert len(list(made.verify(directory))) == len(made.files)


def files_of_a_run_stopped_after(
    done: int, api: Api, running: Running, directory: Path
) -> dict[str, float]:
    def stop(what: str, at: int, of: int) -> None:
        if at >= done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer.back_up(api.instance.settings, running, directory, stop)
    return files(directory)


async def test_one_that_is_stopped_leaves_the_last_one_as_it_was(
    busy: Api, running: Running, stores: Stores, tmp_path: Path
) -> None:
    directory = tmp_path / "backup"
    made, _ = back_up(busy.instance, running, directory)
    for number in range(200):
        await busy.send("/v1/track", {"userId": f"u{number % 7}", "event": "E"})
    files_of_a_run_stopped_after(700, busy, running, directory)
    assert manifest.load(directory) == made
    assert len(list(made.verify(directory))) == len(made.files)
    _, restored = await restore(stores, directory, tmp_path / "home")
    assert restored.replayed == made.events


async def test_a_restore_that_was_stopped_goes_on(
    busy: Api, running: Running, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, home = tmp_path / "backup", tmp_path / "home"
    made, _ = back_up(busy.instance, running, directory)
    target, loaded = stores.empty(), list[str]()
    load = Restoring._load

    def noting(self: Restoring, file: manifest.File) -> None:
        load(self, file)
        loaded.append(file.path)
        if len(loaded) in (9, len(made.files)):
            raise StoreUnavailable("the line was cut")

    monkeypatch.setattr(Restoring, "_load", noting)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await restore_into(target, directory, home)
        with pytest.raises(ConfigurationError, match="has not come to its end"):
            assembly.assemble(replace(busy.instance.settings, data_dir=home), target)
    await restore_into(target, directory, home)
    assert len(loaded) == len(made.files) + 2  # the two that were not committed came again
    async with api_of(target, home) as again:
        assert await digests(again.instance) == await digests(busy.instance)


@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
async def test_a_flipped_bit_is_told_with_file_and_place(
    busy: Api, running: Running, stores: Stores, tmp_path: Path, place: float
) -> None:
    directory = tmp_path / "backup"
    made, _ = back_up(busy.instance, running, directory)
    file = made.of("events", 2)[1]
    path = directory / file.path
    damaged = bytearray(path.read_bytes())
    damaged[int(len(damaged) * place)] ^= 1
    path.write_bytes(damaged)
    told = f"{file.path} is damaged between bytes 0 and .*events, partition 2, offsets 50 to 99"
    with pytest.raises(Damaged, match=told):
        list(made.verify(directory))
    with pytest.raises(Damaged, match=told):
        await restore(stores, directory, tmp_path / "home")
    path.write_bytes(damaged[:-7])
    with pytest.raises(Damaged, match="bytes instead of"):
        list(made.verify(directory))
    path.unlink()
    with pytest.raises(Damaged, match="cannot be read: No such file"):
        list(made.verify(directory))


async def test_what_does_not_fit_is_refused(
    busy: Api, running: Running, stores: Stores, tmp_path: Path
) -> None:
    directory, home = tmp_path / "backup", tmp_path / "home"
    back_up(busy.instance, running, directory)
    settings = replace(busy.instance.settings, data_dir=home, master_key="")
    with pytest.raises(
        ConfigurationError, match=r"set CDP_MASTER_KEY, or copy the file master\.key"
    ):
        transfer.must_open(settings, directory)
    assert not home.exists()
    with pytest.raises(ConfigurationError, match="under another master key"):
        transfer.must_open(replace(settings, master_key="cd" * 32), directory)
    with pytest.raises(ConfigurationError, match="a platform runs on this database"):
        await restore_into(running, directory, home)
    target, _ = await restore(stores, directory, home)
    with pytest.raises(ConfigurationError, match=r"not empty \(events has rows\)"):
        await restore_into(target, directory, home)
    with pytest.raises(ConfigurationError, match=r"made with 4 partitions.*--partitions 4"):
        await restore_into(stores.fresh(), directory, home, 5)
    await busy.send("/v1/page", {"userId": "late"})
    behind, _ = back_up(busy.instance, running, directory)
    assert behind.lag["events"]
    with pytest.raises(ConfigurationError, match="wait until `cdp status` shows no lag"):
        await restore_into(stores.empty(), directory, home, 5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda written: written | {"format": 9},
            "is of format 9, and this version of cdp reads 1",
        ),
        (lambda written: written | {"schema": "9999"}, "is of a later version"),
        (lambda written: {"format": 1}, "is no manifest of a backup"),
    ],
)
async def test_other_formats_are_refused(
    api: Api,
    running: Running,
    tmp_path: Path,
    change: Callable[[dict[str, object]], dict[str, object]],
    told: str,
) -> None:
    back_up(api.instance, running, tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises((ConfigurationError, Damaged), match=told):
        transfer.must_open(api.instance.settings, tmp_path)


async def test_a_backup_of_another_log_is_not_overwritten(
    busy: Api, running: Running, stores: Stores, tmp_path: Path
) -> None:
    directory = tmp_path / "backup"
    back_up(busy.instance, running, directory)
    target, _ = await restore(stores, directory, tmp_path / "home")
    async with api_of(target, tmp_path / "home") as again:
        for each in (again, busy):
            await each.send("/v1/page", {"userId": "one", "messageId": str(id(each))})
        back_up(again.instance, target, directory)
    with pytest.raises(ConfigurationError, match="back up into a new directory"):
        back_up(busy.instance, running, directory)


async def test_two_backups_at_once_into_one_directory(
    api: Api, running: Running, tmp_path: Path
) -> None:
    with (
        manifest.ours(tmp_path),
        pytest.raises(ConfigurationError, match="another backup is writing into"),
    ):
        back_up(api.instance, running, tmp_path)


async def test_the_master_key_is_not_in_a_backup(
    busy: Api, running: Running, tmp_path: Path
) -> None:
    directory = tmp_path / "backup"
    back_up(busy.instance, running, directory)
    plain = b"".join(b"".join(taking.files.read(directory / path)) for path in files(directory))
    plain += (directory / "manifest.json").read_bytes()
    assert bytes.fromhex(busy.instance.settings.master_key) not in plain
    for secret in (busy.instance.settings.master_key, *busy.instance.keys.values()):
        assert secret.encode() not in plain
    assert b"user-00000001" not in plain
