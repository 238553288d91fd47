"""Links by way of ours: which of them, and that the HTML stays what it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from activation.mail.tracking import LONGEST, tracked

OWN = "https://cdp.example"


def told(html: str) -> tuple[str, list[str]]:
    found: list[str] = []

    def link(url: str) -> str:
        found.append(url)
        return f"{OWN}/r/{len(found)}"

    return tracked(html, link, OWN), found


def test_links_of_pages_alone() -> None:
    html = (
        "<a href='http://a.example/'>a</a><A target=x HREF = \"https://b.example/?x=1&amp;y\">b</A>"
        f'<a href="{OWN}/preferences/x">c</a><a href="#d">d</a><a href="mailto:e@e.example">e</a>'
        f'<a href="https://f.example/{"f" * LONGEST}">f</a><link href="https://g.example/">'
    )
    made, found = told(html)
    assert found == ["http://a.example/", "https://b.example/?x=1&y", ""]
    assert made.startswith(f'<a href="{OWN}/r/1">a</a><A target=x HREF = "{OWN}/r/2">b</A>')
    assert made.endswith(f'<img src="{OWN}/r/3" width="1" height="1" alt="">')


@given(st.text(alphabet="<>a b=/:\"'hrefps#&;", max_size=80))
def test_nothing_else_changes(html: str) -> None:
    made, found = told(html)
    pixel = f'<img src="{OWN}/r/{len(found)}" width="1" height="1" alt="">'
    assert made.endswith(pixel) and found[-1] == ""
    if len(found) == 1:
        assert made == html + pixel
