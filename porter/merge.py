"""Three-way merge: a file that was ported, then edited by hand, and is ported anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any, cast


class ExactMatcher(SequenceMatcher[bytes]):
    """Compares every line; by default difflib passes over those that come often."""

    def __init__(
        self, isjunk: Callable[[bytes], bool] | None, a: Sequence[bytes], b: Sequence[bytes]
    ) -> None:
        super().__init__(isjunk, a, b, autojunk=False)


def merge(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> bytes | None:
    """A file with both the changes from ``base`` to ``ours`` and those to ``theirs``.

    Where one side leaves the file as it is, deletes or adds it, the other side wins.

    Args:
        base: The file as it was last ported; None stands for no file.
        ours: The file as it is, edited by hand.
        theirs: The file as the new port has it.

    Raises:
        ValueError: Both sides change the same or neighbouring lines, in different ways.
    """
    if theirs in (base, ours):
        return ours
    if ours == base:
        return theirs
    if base is None or ours is None or theirs is None:
        raise ValueError("one side has no such file, the other changes it")
    return b"".join(_merged_lines(base, ours, theirs))


def _merged_lines(base: bytes, ours: bytes, theirs: bytes) -> list[bytes]:
    # Imported here, as hardly any run merges.
    from merge3 import Merge3

    base_lines, our_lines, their_lines = (
        text.splitlines(keepends=True) for text in (base, ours, theirs)
    )
    merger = Merge3(base_lines, our_lines, their_lines, sequence_matcher=cast("Any", ExactMatcher))
    merged: list[bytes] = []
    for group in merger.merge_groups():
        if group[0] == "conflict":
            raise ValueError("both sides change the same lines")
        merged += group[1]
    return merged
