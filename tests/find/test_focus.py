"""Cutting what no rule can match: the rest stays in place."""

from __future__ import annotations

import ast

import pytest

from porter.find.source import SourceFile

CODE = '''
import torch


@register
@ other(
    1)
def dull(a):
    """Doc of dull."""
    return a


class Dull:
    x = 1


class Half:
    """Doc."""

    def dull(self):
        return 2

    async def hit(self, word=3):
        # says word
        return word  # at the end

    @property
    def signature(self, word): return 4

    def header_only(self,
                    word=5):
        x = 6
        return x


def last(): return word
if True:
    def nested():
        return 7
'''


def names_with_places(text: bytes) -> list[tuple[str, int]]:
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    return [
        (node.id, lines[node.lineno - 1] + node.col_offset)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name)
    ]


@pytest.mark.parametrize("words", [[b"word"], [b"dull"], [b"\0"], []], ids=str)
def test_what_is_left_parses_and_maps_back(words: list[bytes]) -> None:
    data = CODE.encode()
    focus = SourceFile("mmengine/a.py", data, words).focus
    for name, offset in names_with_places(focus.text):
        start = focus.original(offset)
        assert data[start : start + len(name)].decode() == name


def test_code_with_a_word_stays_and_other_definitions_go() -> None:
    text = SourceFile("mmengine/a.py", CODE.encode(), [b"word"]).focus.text.decode()
    assert "return word  # at the end" in text
    assert "def last(): return word" in text
    assert "word=5" in text
    assert "Dull" not in text
    assert "return 2" not in text
    assert "x = 6" not in text


def test_the_end_of_a_cut_definition_is_the_end_of_its_code() -> None:
    data = b"def f(word):\n    return 1  # why\n\n\nx = word\n"
    focus = SourceFile("mmengine/a.py", data, [b"word"]).focus
    stub_end = focus.text.index(b"...") + 3
    assert data[: focus.original(stub_end)].endswith(b"return 1")
    assert data[focus.original(focus.text.index(b"x =")) :] == b"x = word\n"


def test_without_words_nothing_is_cut() -> None:
    assert SourceFile("mmengine/a.py", CODE.encode()).focus.text == CODE.encode()
