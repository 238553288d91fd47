"""Migrations say which phase they are of, and keep to it; code knows what it can work with."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from cdp import schema
from cdp.schema import CONTRACT, EXPAND, Step, fit
from tests.support.next_version import NEXT
from tests.support.phases import breaks, load, sql

FIRST_RELEASED = "0006"  # up to this one, migrations ran on empty databases only
FILES = sorted(path for place in schema.VERSIONS for path in place.glob("[0-9]*.py"))
STEPS = (
    Step("0001", EXPAND, "log"),
    Step("0002", EXPAND, "more"),
    Step("0003", CONTRACT, "less"),
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_expands_breaks_nothing_for_the_version_before(path: Path) -> None:
    step, module = schema._step(path), load(path)
    assert (module.revision, module.PHASE) == (step.revision, step.phase)
    found = breaks(sql(module)) if step.phase == EXPAND else []
    if step.revision <= FIRST_RELEASED:
        found = [each for each in found if not each.startswith("makes writers wait")]
    assert found == []


def test_migrations_are_one_line_of_descent() -> None:
    modules = [load(path) for path in FILES]
    assert modules[0].down_revision is None
    assert all(after.down_revision == before.revision for before, after in pairwise(modules))
    assert schema.head() == modules[-1].revision
    assert [step.revision for step in schema.steps()] == [each.revision for each in modules]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("drop table nodes", "takes away"),
        ("drop function append_events", "takes away"),
        ("alter table nodes drop column flags", "takes away"),
        ("alter table nodes drop constraint nodes_pkey", "takes away"),
        ("alter table nodes add column a int, drop column flags", "takes away"),
        ("alter table nodes rename to knots", "renames"),
        ("ALTER TABLE nodes\n  RENAME COLUMN flags TO marks", "renames"),
        ("alter type mood rename to temper", "renames"),
        ("alter table nodes alter column flags type bigint", "changes a type"),
        ("alter table nodes alter flags set data type bigint", "changes a type"),
        ("alter table nodes alter column flags set not null", "refuses"),
        ("alter table nodes alter column flags drop default", "refuses"),
        ("alter table nodes add column a int not null", "refuses"),
        ("alter table nodes add constraint small check (flags < 9)", "refuses"),
        ("alter table only nodes add unique (flags)", "refuses"),
        ("create unique index concurrently n on nodes (flags)", "refuses"),
        ("create index n on nodes (flags)", "makes writers wait"),
        ("truncate outbox", "deletes"),
        ("delete from outbox", "deletes"),
    ],
)
def test_what_breaks_is_found(statement: str, why: str) -> None:
    (found,) = breaks(statement)
    assert found.startswith(why)


@pytest.mark.parametrize(
    "statement",
    [
        "create table t (a int not null, unique (a)); create index t_a on t (a)",
        "create table t (a int); alter table t add constraint c check (a > 0)",
        "alter table nodes add column a int",
        "alter table nodes add column a int not null default 0, add column b numeric(3, 2)",
        "alter table nodes alter column flags drop not null",
        "alter table nodes alter column flags set default 1",
        "create index concurrently n on nodes (flags)",
        "drop index nodes_suspect",
        "-- drop table nodes\nselect 'drop table nodes'",
        "create or replace function f() returns int language sql as $$ delete from t; $$",
        "update nodes set flags = 0 where flags is null",
    ],
)
def test_what_breaks_nothing_is_not_found(statement: str) -> None:
    assert breaks(statement) == []


def test_the_next_version_of_the_tests_keeps_to_the_rule() -> None:
    expand, contract = (load(path) for path in sorted(NEXT.glob("9*.py")))
    assert contract.PHASE == CONTRACT
    assert breaks(sql(contract)) != []
    assert expand.PHASE == EXPAND
    assert breaks(sql(expand)) == []


@pytest.mark.parametrize(
    ("revision", "contracted", "missing", "problem"),
    [
        ("", "", 3, "no schema yet: run `cdp migrate`"),
        ("0001", "", 2, "is 0001 and this version needs 0002: run `cdp migrate`"),
        ("0002", "", 1, ""),  # what the version before needs is still there
        ("0003", "0003", 0, ""),
        ("0007", "", 0, ""),
        ("0007", "0003", 0, ""),
        ("0007", "0006", 0, "of a later version: its schema is 0007, this version knows those up"),
    ],
)
def test_what_code_can_work_with(
    revision: str, contracted: str, missing: int, problem: str
) -> None:
    found = fit(revision, contracted, STEPS)
    assert len(found.missing) == missing
    assert problem in found.problem
    assert bool(problem) == bool(found.problem)
    assert found.newer == (revision == "0007")
