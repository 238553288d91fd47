"""What a migration does that code of the version before cannot live with, read from its SQL."""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from alembic.migration import MigrationContext
from alembic.operations import Operations

_NO_CODE = re.compile(r"--[^\n]*|/\*.*?\*/|\$\$.*?\$\$|'(?:[^']|'')*'", re.DOTALL)
_CREATED = re.compile(r"create (?:unlogged )?table (?:if not exists )?(\S+?)\b")
_INDEX = re.compile(r"create (unique )?index (concurrently )?.*? on (?:only )?(\w+)")
_ALTERED = re.compile(r"alter table (?:if exists |only )*(\w+) (.*)", re.DOTALL)
_ADDED = re.compile(r"add (?:column )?(?:if not exists )?\w+ .*not null")
_BREAKING = (
    (r"drop (?:table|view|function|type|sequence|schema|domain)", "takes away what code asks for"),
    (r"truncate|delete from", "deletes rows"),
    (r"alter (?:type|function|view|sequence|schema) .* (?:rename|set schema)", "renames"),
)
_BREAKING_ON_TABLES = (
    (r"drop (?!not null\b)(?!default\b)", "takes away what code asks for"),
    (r"rename|set schema", "renames"),
    (r"alter (?:column )?\w+ (?:set data )?type", "changes a type"),
    (r"alter (?:column )?\w+ set not null", "refuses what older code writes"),
    (r"alter (?:column )?\w+ drop default", "refuses what older code writes"),
    (r"add (?:constraint|check|unique|primary|foreign|exclude)", "refuses what older code writes"),
)


def load(path: Path) -> ModuleType:
    """A migration's module."""
    spec = importlib.util.spec_from_file_location(f"migration_{path.stem}", path)
    assert spec, path
    assert spec.loader, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sql(module: ModuleType) -> str:
    """What its upgrade executes."""
    written = io.StringIO()
    options = {"as_sql": True, "output_buffer": written}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    with Operations.context(context):
        module.upgrade()
    return written.getvalue()


def breaks(text: str) -> list[str]:
    """Each statement that older code would notice, or wait for, and why. Pure."""
    statements = _NO_CODE.sub(" ", text.lower()).split(";")
    plain = [" ".join(statement.split()) for statement in statements]
    made = {found[1] for statement in plain for found in [_CREATED.match(statement)] if found}
    return [f"{why}: {statement}" for statement in plain for why in _reasons(statement, made)]


def _reasons(statement: str, made: set[str]) -> Iterator[str]:
    for pattern, why in _BREAKING:
        if re.match(pattern, statement):
            yield why
    index = _INDEX.match(statement)
    if index and index[3] not in made:
        if index[1]:
            yield "refuses what older code writes"
        elif not index[2]:
            yield "makes writers wait: create it concurrently"
    altered = _ALTERED.match(statement)
    if altered and altered[1] not in made:
        for action in re.split(r",(?![^(]*\))", altered[2]):
            for pattern, why in _BREAKING_ON_TABLES:
                if re.match(pattern, action.strip()):
                    yield why
            if _ADDED.match(action.strip()) and "default" not in action:
                yield "refuses what older code writes"
