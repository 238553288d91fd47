"""MJML, made HTML when a template is saved: in a process of its own, which may not come back.

The compiler is native code that recurses as deep as its input does. What is Jinja's is kept out of
it: it becomes a word that stands for it, and is put back where the word comes out.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress

SECONDS = 10.0
_COMPILE = """
import sys, mrml
try:
    made = mrml.to_html(sys.stdin.buffer.read().decode()).content
except Exception as error:
    sys.exit(str(error))
sys.stdout.buffer.write(made.encode())
"""
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"""<(/?)(mj[a-z-]*)((?:"[^"]*"|'[^']*'|[^<>"'])*)>""")
_NAMES = """
    mjml mj-head mj-body mj-attributes mj-all mj-class mj-breakpoint mj-font mj-preview mj-style
    mj-title mj-accordion mj-accordion-element mj-accordion-title mj-accordion-text mj-button
    mj-carousel mj-carousel-image mj-column mj-divider mj-group mj-hero mj-image mj-navbar
    mj-navbar-link mj-raw mj-section mj-social mj-social-element mj-spacer mj-table mj-text
    mj-wrapper
"""
_KNOWN = frozenset(_NAMES.split())


class Uncompiled(Exception):
    """It is no MJML: which line, and which tag."""


async def compiled(source: str) -> str:
    """The HTML, with what is Jinja's in its places; Uncompiled if there is none."""
    plain, kept = _without_jinja(source)
    for found in _problems(plain):
        raise Uncompiled(found)
    html = await _made(plain)
    for word, (jinja, line) in kept.items():
        if word not in html and not jinja.startswith("{#"):
            raise Uncompiled(f"line {line}: {jinja} stands where MJML takes no text")
        html = html.replace(word, jinja)
    return html


def _without_jinja(source: str) -> tuple[str, dict[str, tuple[str, int]]]:
    """With a word for each of Jinja's, as many lines long; and what they stand for, and where."""
    kept: dict[str, tuple[str, int]] = {}
    mark = secrets.token_hex(8)

    def word(found: re.Match[str]) -> str:
        made = f"jinja{mark}x{len(kept)}x"
        kept[made] = found[0], _line(source, found.start())
        return made + "\n" * found[0].count("\n")

    return _JINJA.sub(word, source), kept


def _problems(plain: str) -> Iterator[str]:
    """What a person would look for, by line: the compiler says less, or lets it pass."""
    shown = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), plain)
    opened: list[tuple[str, int]] = []
    for tag in _TAG.finditer(shown):
        line, name = _line(shown, tag.start()), tag[2]
        if name == "mj-include":
            yield f"line {line}: mj-include cannot be used: write what it has in its place"
        elif name not in _KNOWN:
            yield f"line {line}: there is no tag {name}"
        elif not tag[1]:
            if not tag[3].endswith("/"):
                opened.append((name, line))
        elif not opened or opened[-1][0] != name:
            inside = f"; {opened[-1][0]} of line {opened[-1][1]} is open" if opened else ""
            yield f"line {line}: {name} ends here and did not begin{inside}"
        else:
            opened.pop()
    for name, line in opened:
        yield f"line {line}: {name} does not end"
    if not shown.lstrip().startswith("<mjml"):
        yield "line 1: it begins with the tag mjml"


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


async def _made(plain: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-c",
        _COMPILE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, told = await process.communicate(plain.encode())
    except TimeoutError:
        raise Uncompiled("it takes too long to compile") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == 0:
        return out.decode()
    if process.returncode == 1:
        raise Uncompiled(_told(plain, told.decode(errors="replace").strip()))
    raise Uncompiled("the compiler gave up: does it nest too deep?")


def _told(plain: str, error: str) -> str:
    """The compiler's own words, with the line of the bytes that it means."""
    found = re.search(r" at position (\d+)[:.]+\d+$", error)
    if found is None:
        return error
    before = plain.encode()[: int(found[1])]
    return f"line {before.count(10) + 1}: {error[: found.start()]}"
