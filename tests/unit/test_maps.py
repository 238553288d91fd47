"""Maps as people write them: the shipped ones, one's own, and what is said of mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from cdp.importing import maps

GOOD = """
format = "csv"
user_id = "who"
[[calls]]
type = "track"
event = { column = "what" }
"""


def own(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_a_map_of_ones_own(tmp_path: Path) -> None:
    map_ = maps.find(str(own(tmp_path, GOOD)))
    assert (map_.name, map_.delimiter, map_.has_memory) == ("mine", ",", False)
    changed = maps.find(str(own(tmp_path, GOOD + 'once = ["who"]\n')))
    assert changed.has_memory
    assert changed.version != map_.version


@pytest.mark.parametrize("name", maps.shipped())
def test_every_shipped_map_says_what_it_is_for(name: str) -> None:
    assert maps.find(name).calls
    assert (maps.SHIPPED / f"{name}.toml").read_text().startswith('about = "')


def test_an_unknown_map_names_the_shipped_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no map nope; shipped are complete-journey, .*"):
        maps.find("nope")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("format = ", "this is not TOML: "),
        (GOOD.replace("csv", "xml"), "format: Must be csv or jsonl."),
        (GOOD + 'colour = "red"', "calls[0].colour: Unknown field; known are anonymous_id,"),
        (GOOD.replace("track", "trick"), "calls[0].type: Must be one of track, identify,"),
        (GOOD.replace('user_id = "who"', ""), "calls[0].user_id: Say whose call it is."),
        (GOOD.replace("event =", "name ="), "calls[0].event: A track call needs event."),
        (GOOD + "when = { what = 1 }", "calls[0].when: Must compare with texts, in quotes."),
        (
            GOOD + "properties = { a = { column = 'x', value = 1 } }",
            "calls[0].properties.a: Needs either column or value.",
        ),
        (
            GOOD + "properties = { a = { column = 'x', as = 'date' } }",
            "calls[0].properties.a.as: Must be one of text, number,",
        ),
        (
            GOOD + "properties = { a = 7 }",
            "calls[0].properties.a: Must be the name of a column, or a table",
        ),
        (
            GOOD + "timestamp = { column = 'x', zone = 'Mars/Olympus' }",
            "calls[0].timestamp.zone: No such time zone here;",
        ),
        (
            GOOD + "timestamp = { column = 'x', format = 'ISO' }",
            "calls[0].timestamp.format: Must be iso, unix, unix_ms, or a pattern",
        ),
        ("each = 'events'" + GOOD, "each: Only JSON lines have lists to go through."),
        ("encoding = 'utf-16'" + GOOD, "encoding: Must be an encoding like utf-8"),
        ("delimiter = '||'" + GOOD, "delimiter: Must be one character."),
    ],
)
def test_errors_in_a_map_name_the_field_and_the_fix(tmp_path: Path, text: str, told: str) -> None:
    path = own(tmp_path, text)
    with pytest.raises(ConfigurationError) as raised:
        maps.find(str(path))
    assert str(raised.value).startswith(f"{path}: {told}")
