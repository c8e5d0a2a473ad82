"""A diff for the terminal or a pipe, and its summary by file."""

from __future__ import annotations

from collections.abc import Sequence

from porter.diff import FileDiff
from porter.render.blocks import Bars, Block, Diff, Text
from porter.render.words import count

_BAR = 24


def diff_blocks(diffs: Sequence[FileDiff]) -> list[Block]:
    """The diff itself, one block a file."""
    return [Diff(tuple(diff.lines())) for diff in diffs]


def stat_blocks(diffs: Sequence[FileDiff]) -> list[Block]:
    """One line a file, with a bar of its added and removed lines, and a line of totals."""
    added, removed = sum(diff.added for diff in diffs), sum(diff.removed for diff in diffs)
    total = f"{count(len(diffs), 'file')} changed, {added} lines added, {removed} removed"
    return [_bars(diffs), Text(total)] if diffs else [Text(total)]


def _bars(diffs: Sequence[FileDiff]) -> Bars:
    name_width = max(len(diff.name) for diff in diffs)
    most = max(diff.added + diff.removed for diff in diffs)
    scale = min(1.0, _BAR / most) if most else 0.0
    return Bars(
        tuple(
            (
                diff.name.ljust(name_width),
                str(diff.added + diff.removed).rjust(len(str(most))),
                "+" * _scaled(diff.added, scale),
                "-" * _scaled(diff.removed, scale),
            )
            for diff in diffs
        )
    )


def _scaled(lines: int, scale: float) -> int:
    return max(1, round(lines * scale)) if lines else 0
