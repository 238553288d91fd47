"""The capacity model: linear where it says so, and the page says what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.capacity import LOADS, MEASURED, Assumed, Measured, Needs, table

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


@pytest.fixture(scope="module")
def measured() -> Measured:
    return Measured.read(MEASURED)


def test_the_page_shows_what_the_script_reckons(measured: Measured) -> None:
    assert table(measured) in PAGE.read_text()


def test_ten_times_the_load_needs_ten_times_as_much(measured: Measured) -> None:
    one, ten = (Needs(load, measured) for load in (1e9, 1e10))
    for number in ("peak", "people", "log", "state", "wal", "kafka", "cache"):
        assert getattr(ten, number) == pytest.approx(10 * getattr(one, number))
    assert ten.cores("worker") == pytest.approx(10 * one.cores("worker"))
    assert ten.shards >= one.shards


def test_partitions_are_twice_what_workers_need_and_a_power_of_two(measured: Measured) -> None:
    for load in LOADS.values():
        needs = Needs(load, measured)
        workers = needs.peak / (measured.worker_rate * Assumed().busy)
        assert needs.partitions >= max(8, 2 * workers)
        assert needs.partitions & (needs.partitions - 1) == 0


def test_a_file_without_the_figures_says_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text('{"figures": []}')
    with pytest.raises(SystemExit, match="python -m bench scaling"):
        Measured.read(tmp_path / "none.json")
