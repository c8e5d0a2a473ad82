"""Phrases about rules, skips and progress."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from porter.model import Condition, Skip
from porter.render.blocks import plain_lines
from porter.render.outcome import skip_blocks
from porter.render.progress import shown_progress
from porter.render.words import condition_words, count, first_sentence, specifiers


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 files"), (1, "1 file"), (2, "2 files")],
    ids=["none", "one", "several"],
)
def test_count(number: int, words: str) -> None:
    assert count(number, "file") == words


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        pytest.param(Condition(), "always", id="no condition"),
        pytest.param(Condition(all=("a",)), "a", id="one trait"),
        pytest.param(Condition(all=("a", "b")), "a and b", id="all of several"),
        pytest.param(Condition(any=("a", "b")), "a or b", id="any of several"),
        pytest.param(
            Condition(all=("a",), any=("b", "c"), none=("d",)), "a, b or c, not d", id="mixed"
        ),
    ],
)
def test_condition_words(condition: Condition, words: str) -> None:
    assert condition_words(condition) == words


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("One only", "One only", id="no full stop"),
        pytest.param("One. Two.", "One.", id="two sentences"),
        pytest.param(
            "Up to 2.1.0 it fails. `torch` does.", "Up to 2.1.0 it fails.", id="a version"
        ),
        pytest.param("On chips, e.g. one. Yes.", "On chips, e.g. one.", id="an abbreviation"),
    ],
)
def test_first_sentence(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_specifiers_start_with_the_lower_bound() -> None:
    table = {"mmcv": SpecifierSet("<2.3,>=2.0"), "mmdet": SpecifierSet("==3.3.*")}
    assert specifiers(table) == "mmcv >=2.0,<2.3; mmdet ==3.3.*"


def test_skips_are_grouped_by_reason_the_commonest_first() -> None:
    skips = [
        Skip("a/one", "a", "no trait x"),
        Skip("b/two", "b", "done upstream"),
        Skip("b/three", "b", "done upstream"),
        Skip("b/two", "c", "done upstream"),
    ]
    assert list(plain_lines(skip_blocks(skips))) == [
        "Skipped 3 rules",
        "  2 rules: done upstream",
        "    b/three, b/two",
        "  a/one: no trait x",
    ]


def test_a_long_list_of_skipped_rules_is_cut() -> None:
    skips = [Skip(f"a/{number:02}", "a", "why") for number in range(20)]
    assert list(plain_lines(skip_blocks(skips)))[1:] == [
        "  20 rules: why",
        "    a/00, a/01, a/02, a/03, a/04, a/05 and 14 more",
    ]


def test_progress_in_a_pipe_is_one_line_a_download(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress(silent=False) as progress:
        assert progress is not None
        for done in (0, 500_000, 1_000_000):
            progress("mmcv 2.1.0", done, 1_000_000)
        progress("mmdet 3.3.0", 0, 0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "fetching mmcv 2.1.0\nfetching mmdet 3.3.0\n"


def test_progress_on_a_terminal_shows_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with shown_progress(silent=False) as progress:
        assert progress is not None
        progress("mmcv 2.1.0", 0, 0)
        progress("mmcv 2.1.0", 5, 10)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "fetching mmcv 2.1.0" in captured.err


def test_progress_can_be_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress(silent=True) as progress:
        assert progress is None
    assert capsys.readouterr() == ("", "")
