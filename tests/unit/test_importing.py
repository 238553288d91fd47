"""Reading, batching and resuming: the same file makes the same calls, wherever one begins."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.errors import ConfigurationError
from cdp.importing import batches, maps, reading
from cdp.importing.batches import Source
from cdp.importing.cursor import Cursor
from cdp.importing.mapping import CALLS, Map
from cdp.importing.reading import START, Lines, Mark

HEAD = "user_id,session_id,event,timestamp,platform,acquisition_channel,user_cohort,user_lifecycle"
MAP = maps.find("retentioneering")


def shop(events: list[tuple[int, str]]) -> str:
    rows = (
        f"user_{n},sess_{n},{event},2024-03-13 10:21:14,tablet,email,2024-01,new"
        for n, event in events
    )
    return "\n".join([HEAD, *rows, ""])


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


class Request(NamedTuple):
    """The calls of a request, and how far everything is stored once it is answered."""

    mark: Mark
    calls: list[dict[str, Any]]


class Heard(list[tuple[int, str]]):
    """The broken lines of a run."""

    def __call__(self, line: int, reason: str) -> None:
        self.append((line, reason))


def requests(path: Path, map_: Map, since: Mark = START, **options: Any) -> Iterator[Request]:
    """The requests of a run, in order."""
    broken = options.pop("broken", Heard())
    with Lines(path, map_.encoding) as lines:
        for batch in Source(lines, map_, broken, since, **options).batches():
            yield Request(batch.mark, json.loads(batch.body)["batch"])


def sent(path: Path, map_: Map, since: Mark = START, **options: Any) -> list[dict[str, Any]]:
    """The calls of a run, in order."""
    return [call for each in requests(path, map_, since, **options) for call in each.calls]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["home", "purchase", "search"]))),
    st.integers(1, 4),
)
def test_from_any_place_on_the_same_calls_follow_with_the_same_ids(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[int, str]], size: int
) -> None:
    path = written(tmp_path_factory.mktemp("any") / "shop.csv", shop(events))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "MAX_CALLS", size)
        whole = list(requests(path, MAP))
        for number, (mark, _) in enumerate(whole):
            follow = [call for each in whole[number + 1 :] for call in each.calls]
            rest = sent(path, MAP, mark)
            again = rest[: len(rest) - len(follow)]
            assert rest == again + follow
            assert len(again) < 2  # of a line whose calls were spread over two requests
    ids = [call["messageId"] for each in whole for call in each.calls]
    assert len(ids) == len(set(ids))
    assert all(len(each) <= 100 for each in ids)


def test_ids_come_from_the_content_and_the_line(tmp_path: Path) -> None:
    events = [(1, "home"), (1, "home"), (2, "purchase")]
    ids = {}
    for name, text in {
        "one": shop(events),
        "renamed": shop(events),
        "zipped": gzip.compress(shop(events).encode()),
        "grown": shop([*events, (3, "home")]),
        "other": shop([(9, "home"), *events[1:]]),
    }.items():
        path = written(tmp_path / name, text)
        ids[name] = [call["messageId"] for call in sent(path, MAP)]
    assert len(set(ids["one"])) == 4
    assert ids["one"] == ids["renamed"] == ids["zipped"] == ids["grown"][:4]
    assert len(ids["grown"]) == 5
    assert not set(ids["one"]) & set(ids["other"])


def test_a_call_keeps_its_own_message_id(tmp_path: Path) -> None:
    path = written(tmp_path / "calls", '{"messageId":"mine","type":"page"}\n{"type":"page"}\n')
    first, second = (call["messageId"] for call in sent(path, CALLS))
    assert first == "mine"
    assert second.startswith("import-calls-2.0-")


def test_a_map_of_another_name_makes_calls_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path / "calls", '{"type":"page"}\n')
    (other,) = sent(path, Map("other", (), "jsonl"))
    (first,) = sent(path, CALLS)
    assert first["messageId"] != other["messageId"]


def test_broken_json_lines_are_told_and_skipped(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbf{"type":"page"}\n\n[1]\n{"a":\n\xff\n{"type":"screen"}'
    heard = Heard()
    kinds = [call["type"] for call in sent(written(tmp_path / "f", text), CALLS, broken=heard)]
    assert kinds == ["page", "screen"]
    assert [line for line, _ in heard] == [3, 4, 5]
    assert heard[0][1] == "is not a JSON object"
    assert heard[1][1].startswith("is not JSON: ")
    assert heard[2][1] == "is not utf-8"


def test_broken_csv_rows_are_told_and_skipped(tmp_path: Path) -> None:
    good = shop([(1, "home")]).splitlines()[1]
    quoted = good.replace("tablet", '"tab\nlet"')
    rows = [HEAD, good, "a,b", "", good.replace("email", 'e"mail'), quoted, '"open,', good]
    heard = Heard()
    path = written(tmp_path / "f", "\n".join(rows) + "\n")
    found = [call["context"]["device"]["type"] for call in sent(path, MAP, broken=heard)]
    assert found == ["tablet", "tablet", "tab\nlet"]
    assert [line for line, _ in heard] == [3, 8]
    assert heard[0][1] == "has 2 fields; the header has 8"
    assert heard[1][1].startswith("is not CSV: ")


def test_a_line_without_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 64)
    lines = ['{"type":"page"}', '{"a":"' + "x" * 500 + '"}', '{"type":"screen"}']
    heard = Heard()
    path = written(tmp_path / "f", "\n".join(lines))
    kinds = [call["type"] for call in sent(path, CALLS, broken=heard)]
    assert kinds == ["page", "screen"]
    assert heard == [(2, "is longer than 64 bytes")]


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "f", "user_id,event\n1,home\n")
    with pytest.raises(ConfigurationError, match=r"retentioneering, calls\[0\]\.anonymousId: the"):
        sent(path, MAP)


def test_a_gzip_file_that_breaks_off(tmp_path: Path) -> None:
    whole = gzip.compress(shop([(n, "home") for n in range(500)]).encode())
    path = written(tmp_path / "f", whole[: len(whole) // 2])
    with pytest.raises(ConfigurationError, match="the gzip stream breaks off after line"):
        sent(path, MAP)


def test_a_limit_counts_lines_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "f", shop([(n, "home") for n in range(9)]))
    (first,) = requests(path, MAP, limit=4)
    assert [call["anonymousId"] for call in first.calls] == ["sess_0", "sess_1", "sess_2"]
    assert sent(path, MAP, first.mark, limit=4) == []


def test_a_changed_file_is_found_out(tmp_path: Path) -> None:
    path = written(tmp_path / "f", shop([(1, "home"), (2, "home")]))
    ((mark, _),) = requests(path, MAP)
    for text, changed in (
        (shop([(1, "home"), (2, "home"), (3, "home")]), False),
        (shop([(1, "home"), (7, "home")]), True),
        (shop([(1, "home")]), True),
    ):
        with Lines(written(path, text)) as lines:
            assert Source(lines, MAP, Heard(), mark).changed() is changed


def test_a_cursor_survives_and_belongs_to_file_map_and_target(tmp_path: Path) -> None:
    def of(name: str, map_: Map, target: str) -> Cursor:
        return Cursor.of(tmp_path, tmp_path / name, map_, target)

    cursor, mark = of("f", MAP, "here"), Mark(7, b"digest")
    changed = dataclasses.replace(MAP, version="other")
    assert cursor.load() == START
    cursor.save(mark)
    assert of("f", MAP, "here").load() == mark
    for other in (of("g", MAP, "here"), of("f", changed, "here"), of("f", MAP, "there")):
        assert other.load() == START
    cursor.path.write_text('{"line": 7')
    assert cursor.load() == START
    cursor.forget()
    assert not cursor.path.exists()
