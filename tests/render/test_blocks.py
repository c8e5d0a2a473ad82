"""Blocks: plain in a pipe, drawn on a terminal, and byte for byte where it matters."""

from __future__ import annotations

import io
import re

import pytest

from porter.render.blocks import (
    Bars,
    Block,
    Command,
    Diff,
    Fields,
    Table,
    Text,
    displayable,
    plain_lines,
    show,
)

ANSI = re.compile(r"\x1b\[[0-9;]*m")

PLAIN: dict[str, tuple[Block, list[str]]] = {
    "text": (Text("one\ntwo", "bold", indent=2), ["  one", "  two"]),
    "fields": (Fields((("a", "1"), ("long", "2")), indent=1), [" a     1", " long  2"]),
    "a value of two lines": (Fields((("a", "1\n2"), ("b", "3"))), ["a  1", "   2", "b  3"]),
    "table": (
        Table(("Name", "N"), (("x", "1"), ("longer", "22")), right=(1,), footer=("", "23")),
        ["Name     N", "x        1", "longer  22", "        23"],
    ),
    "a table without rows": (Table(("Name", "N"), ()), ["Name  N"]),
    "diff": (Diff(("+x ", " "), indent=1), [" +x ", "  "]),
    "bars": (Bars((("a", " 3", "++", "-"),)), [" a |  3 ++-"]),
    "command": (Command("Next", "porter status"), ["Next: porter status"]),
}


@pytest.mark.parametrize(("block", "lines"), PLAIN.values(), ids=PLAIN.keys())
def test_a_pipe_gets_plain_lines(block: Block, lines: list[str]) -> None:
    assert list(plain_lines([block])) == lines


def drawn(
    monkeypatch: pytest.MonkeyPatch, *blocks: Block, columns: int = 40, force: bool = True
) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setenv("COLUMNS", str(columns))
    if force:
        monkeypatch.setenv("FORCE_COLOR", "1")
    show(blocks, stream)
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8", "surrogateescape")


def test_a_pipe_gets_no_colour_and_no_wrapping(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "word " * 30
    assert drawn(monkeypatch, Text(long, "red"), force=False) == f"{long.rstrip()}\n"


@pytest.mark.parametrize("name", ["text", "fields", "table", "diff", "bars", "command"])
def test_a_terminal_shows_the_same_words(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    block, lines = PLAIN[name]
    shown = ANSI.sub("", drawn(monkeypatch, block))
    assert set(" ".join(lines).split()) <= set(shown.split())


def test_a_terminal_wraps_prose_but_no_diff_and_no_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = "word " * 20
    wrapped = ANSI.sub("", drawn(monkeypatch, Text(long))).splitlines()
    assert len(wrapped) == 3
    assert max(map(len, wrapped)) <= 40
    for block in (Diff((f"+{long}",)), Command("Next", long)):
        assert len(ANSI.sub("", drawn(monkeypatch, block)).splitlines()) == 1


def test_what_looks_like_markup_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[red]x[/red] :smile: [link=a]b[/link]"
    for block in (Text(text), Fields((("a", text),)), Table(("h",), ((text,),)), Diff((text,))):
        assert text in ANSI.sub("", drawn(monkeypatch, block, columns=80))


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert drawn(monkeypatch, Text("x", "red"), force=False) == "x\n"


def test_bytes_that_are_no_text_reach_a_pipe_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b"+caf\xe9".decode("utf-8", "surrogateescape")
    assert drawn(monkeypatch, Diff((line,)), force=False) == f"{line}\n"
    assert "+caf\N{REPLACEMENT CHARACTER}" in drawn(monkeypatch, Diff((line,)))
    assert displayable(line) == "+caf\N{REPLACEMENT CHARACTER}"


def test_a_stream_of_text_alone_will_do() -> None:
    stream = io.StringIO()
    show([Text("caf\udce9")], stream)
    assert stream.getvalue() == "caf\N{REPLACEMENT CHARACTER}\n"
