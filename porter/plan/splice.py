"""Edits into bytes: the whole of what applying a port to one file means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from porter.model import Edit


def ordered(edits: Sequence[Edit]) -> list[Edit]:
    """Edits in the order in which they are spliced: by place, rule and operation."""
    return sorted(edits, key=lambda e: (e.package, e.path, e.start, e.end, e.rule, e.operation))


def splice(pristine: bytes, edits: Sequence[Edit]) -> bytes:
    """A file's bytes with the edits of that file made.

    Args:
        pristine: The file as upstream has it.
        edits: Edits of this one file, in any order, that do not overlap.

    Raises:
        ValueError: If two edits overlap or one leaves the file.
    """
    pieces: list[bytes] = []
    position = 0
    for edit in ordered(edits):
        if edit.start < position or not edit.start <= edit.end <= len(pristine):
            raise ValueError(f"{edit.path}: the edit of {edit.rule} at {edit.start} does not fit")
        pieces += [pristine[position : edit.start], edit.new]
        position = edit.end
    pieces.append(pristine[position:])
    return b"".join(pieces)


def overlaps(left: Edit, right: Edit) -> bool:
    """Whether two edits of one file claim the same bytes.

    Insertions at one place do not: they are made in the order of their rules. An insertion
    at the edge of a replacement does not either.
    """
    if left.start == left.end or right.start == right.end:
        return left.start < right.start < left.end or right.start < left.start < right.end
    return left.start < right.end and right.start < left.end


def settle(
    edits: Sequence[Edit], overrides: Mapping[str, tuple[str, ...]]
) -> tuple[list[Edit], list[tuple[Edit, Edit]]]:
    """The edits that stand, and the pairs that conflict.

    An edit that lies within one of a rule that overrides its rule is dropped. One that
    another rule makes too, byte for byte, is made once: two rules may need one import.

    Args:
        overrides: Rule id -> ids of the rules whose edits it may enclose.
    """
    kept: list[Edit] = []
    conflicts: list[tuple[Edit, Edit]] = []
    for _, group in groupby(ordered(edits), key=lambda e: (e.package, e.path)):
        file_edits = list(group)
        dropped = {id(e) for e in file_edits if _enclosed(e, file_edits, overrides)}
        standing = _once(edit for edit in file_edits if id(edit) not in dropped)
        for number, left in enumerate(standing):
            for right in standing[number + 1 :]:
                if right.start > left.end:
                    break
                if overlaps(left, right):
                    conflicts.append((left, right))
        kept += standing
    return kept, conflicts


def _once(edits: Iterable[Edit]) -> list[Edit]:
    """The edits of one file without those that repeat another rule's to the byte."""
    first: dict[tuple[int, int, bytes], str] = {}
    return [e for e in edits if first.setdefault((e.start, e.end, e.new), e.rule) == e.rule]


def _enclosed(edit: Edit, others: Sequence[Edit], overrides: Mapping[str, tuple[str, ...]]) -> bool:
    return any(
        edit.rule in overrides.get(other.rule, ())
        and other.start <= edit.start <= edit.end <= other.end
        for other in others
    )
