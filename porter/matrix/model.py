"""The words of a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

State = Literal["applies", "native", "absent", "would", "unlike", "fails", "conflicts"]

#: What each state means.
STATES: Mapping[State, str] = {
    "applies": "in the rule's range, and it holds there",
    "native": "not needed: upstream does it itself",
    "absent": "for files that a checkout has, and this release has not",
    "would": "outside the rule's range, where nobody has looked; it would hold",
    "unlike": "outside the rule's range; the code is unlike what the rule knows",
    "fails": "in the rule's range, but it does not hold",
    "conflicts": "in the rule's range, but it edits the same code as another rule",
}
BROKEN: tuple[State, ...] = ("fails", "conflicts")


@dataclass(frozen=True)
class Look:
    """What one rule finds in one release.

    Attributes:
        problems: Expectations missed, each with the nearest code.
        edits: File, start, end, and a digest of the new bytes.
        absent: Whether the release has none of the files, and the rule says that it may.
    """

    problems: tuple[str, ...] = ()
    edits: tuple[tuple[str, int, int, str], ...] = ()
    absent: bool = False


@dataclass(frozen=True)
class Cell:
    """One rule on one release, for one target.

    Attributes:
        notes: Near-misses, or the rules in conflict.
    """

    rule: str
    version: str
    state: State
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """All rules of one package that one target's traits ask for, on all releases looked at.

    Attributes:
        versions: Oldest first.
        stated: Rule id -> the range of versions that the rule states; empty for any.
        cells: Rule id -> a cell a version, in their order.
        other: Rules of the package that the target needs not.
        kept: How many releases were known from an earlier run.
    """

    target: str
    package: str
    versions: tuple[str, ...]
    stated: Mapping[str, str]
    cells: Mapping[str, tuple[Cell, ...]]
    other: int = 0
    kept: int = field(default=0, compare=False)

    @property
    def broken(self) -> list[Cell]:
        """The cells in which a rule does not hold though it says that it does."""
        return [cell for row in self.cells.values() for cell in row if cell.state in BROKEN]
