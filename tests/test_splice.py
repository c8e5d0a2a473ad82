"""Splicing: what is not edited stays, and overlapping edits are found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from porter.model import Edit
from porter.plan.splice import overlaps, settle, splice


def edit(start: int, end: int, new: bytes = b"", rule: str = "a/rule") -> Edit:
    return Edit("a", "a/f.py", start, end, new, rule)


@st.composite
def pieces(draw: st.DrawFn) -> list[tuple[bytes, bytes | None]]:
    """A file as pieces, each with what replaces it or None."""
    piece = st.tuples(st.binary(max_size=6), st.none() | st.binary(max_size=6))
    return draw(st.lists(piece, max_size=12))


@given(pieces(), st.randoms())
def test_edits_in_any_order_replace_their_pieces_and_nothing_else(
    parts: list[tuple[bytes, bytes | None]], random: object
) -> None:
    data, wanted, edits = b"", b"", []
    for old, new in parts:
        if new is not None and old:
            edits.append(edit(len(data), len(data) + len(old), new))
        data += old
        wanted += new if new is not None and old else old
    random.shuffle(edits)  # type: ignore[attr-defined]
    assert splice(data, edits) == wanted


@given(
    st.binary(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6)
)
def test_splice_takes_exactly_the_edits_that_settle_finds_free_of_conflict(
    data: bytes, spans: list[tuple[int, int]]
) -> None:
    edits = [
        edit(min(a, b), max(a, b), bytes([n]), f"a/{n}")
        for n, (a, b) in enumerate(spans)
        if max(a, b) <= len(data)
    ]
    kept, conflicts = settle(edits, {})
    assert len(kept) == len(edits)
    if conflicts:
        with pytest.raises(ValueError, match="does not fit"):
            splice(data, edits)
    else:
        removed = sum(e.end - e.start for e in edits)
        assert len(splice(data, edits)) == len(data) - removed + len(edits)


@pytest.mark.parametrize(
    ("left", "right", "conflict"),
    [
        pytest.param((0, 2), (2, 4), False, id="side by side"),
        pytest.param((0, 3), (2, 4), True, id="sharing a byte"),
        pytest.param((2, 2), (2, 2), False, id="two insertions at one place"),
        pytest.param((0, 2), (2, 2), False, id="an insertion right behind"),
        pytest.param((2, 4), (2, 2), False, id="an insertion right before"),
        pytest.param((2, 4), (3, 3), True, id="an insertion inside"),
        pytest.param((0, 9), (3, 4), True, id="one inside the other"),
    ],
)
def test_overlaps(left: tuple[int, int], right: tuple[int, int], conflict: bool) -> None:
    assert overlaps(edit(*left), edit(*right)) is conflict
    assert overlaps(edit(*right), edit(*left)) is conflict


def test_a_rule_that_overrides_another_drops_what_it_encloses() -> None:
    outer, inner = edit(0, 9, rule="a/outer"), edit(3, 4, rule="a/inner")
    assert settle([outer, inner], {"a/outer": ("a/inner",)}) == ([outer], [])
    assert settle([outer, inner], {}) == ([outer, inner], [(outer, inner)])


def test_what_two_rules_say_alike_is_made_once() -> None:
    first, again = edit(3, 3, b"x", "a/first"), edit(3, 3, b"x", "a/second")
    other, replaced = edit(3, 3, b"y", "a/second"), edit(5, 6, b"z", "a/first")
    assert settle([again, first], {}) == ([first], [])
    assert settle([first, other], {}) == ([first, other], [])
    assert settle([replaced, edit(5, 6, b"z", "a/second")], {}) == ([replaced], [])


def test_an_edit_beyond_the_file_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        splice(b"abc", [edit(2, 5)])
