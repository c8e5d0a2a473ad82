"""The differences between a pattern and its template, as changes to the code that matched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from porter.find.atoms import Atom
from porter.find.layout import indented
from porter.find.source import SourceFile, Span

Placement = tuple[Atom, Span]
Block = tuple[str, int, int, int, int]


@dataclass(frozen=True)
class Change:
    """Bytes ``[start, end)`` of a file to be replaced by text."""

    start: int
    end: int
    new: str


@dataclass(frozen=True)
class Difference:
    """Two sequences of atoms, and the place of the first in a file.

    Attributes:
        pattern: The pattern's text, with placeholders.
        placed: Its atoms, each with its span in the file.
        template: The template's text, with placeholders.
        atoms: The template's atoms.
        filled: The template's text between two offsets, metavariables filled in.
        is_empty: Whether an atom is a metavariable that captured nothing.
        span: The code that matched.
    """

    pattern: str
    placed: Sequence[Placement]
    template: str
    atoms: Sequence[Atom]
    filled: Callable[[int, int], str]
    is_empty: Callable[[Atom], bool]
    span: Span
    source: SourceFile

    def blocks(self) -> list[Block]:
        """What stays, goes and comes, as difflib tells it."""
        old = [atom.key for atom, _ in self.placed]
        new = [atom.key for atom in self.atoms]
        return list(SequenceMatcher(None, old, new, autojunk=False).get_opcodes())

    def changes(self) -> Iterator[Change]:
        """The changes, from front to back."""
        for tag, i1, i2, j1, j2 in self.blocks():
            if tag == "insert":
                yield self._insertion(i1, j1, j2)
            elif tag == "delete":
                yield self._deletion(i1, i2)
            elif tag == "replace":
                yield self._replacement(i1, i2, j1, j2)

    def _insertion(self, i: int, j1: int, j2: int) -> Change:
        """New atoms, with the one gap of white space that the code does not have yet."""
        behind = i == 0 or self._gap_comes_first(i, j1, j2)
        if behind and i < len(self.placed):
            place = self.placed[i][1][0]
            text = self.filled(self.atoms[j1].start, self._next_start(j2))
        else:
            place = self.placed[i - 1][1][1]
            text = self.filled(self.atoms[j1 - 1].end, self.atoms[j2 - 1].end)
        if i == len(self.placed) and text.startswith("\n"):
            place = self.span[1]  # a statement of its own, below a bracket the pattern left out
        if j1 and self.is_empty(self.atoms[j1 - 1]):
            text = text.removeprefix(",").lstrip(" ")
        if j2 < len(self.atoms) and self.is_empty(self.atoms[j2]):
            text = text.rstrip(" ").removesuffix(",")
        return Change(place, place, self._continued(text))

    def _gap_comes_first(self, i: int, j1: int, j2: int) -> bool:
        """Whether the code's white space goes before the new atoms, theirs behind them."""
        if i == len(self.placed) or j2 == len(self.atoms):
            return False
        gap = self._pattern_gap(i)
        return self._template_gap(j1) == gap != self._template_gap(j2)

    def _deletion(self, i1: int, i2: int) -> Change:
        """Atoms that go take the white space before them along, the first ones that behind."""
        start = self.placed[i1 - 1][1][1] if i1 else self.placed[i1][1][0]
        end = self.placed[i2 - 1][1][1]
        if not i1 and i2 < len(self.placed):
            end = self.placed[i2][1][0]
        return Change(start, end, "")

    def _replacement(self, i1: int, i2: int, j1: int, j2: int) -> Change:
        """Other atoms; where the gap to the next differs too, it is the template's."""
        start, end = self.placed[i1][1][0], self.placed[i2 - 1][1][1]
        stop = self.atoms[j2 - 1].end
        if i2 < len(self.placed) and j2 < len(self.atoms):
            following = self.placed[i2][1][0]
            blank = self.source.data[end:following].strip(b" ") == b""
            if blank and self._pattern_gap(i2) != self._template_gap(j2):
                end, stop = following, self.atoms[j2].start
        return Change(start, end, self._continued(self.filled(self.atoms[j1].start, stop)))

    def _pattern_gap(self, i: int) -> str:
        return self.pattern[self.placed[i - 1][0].end : self.placed[i][0].start]

    def _template_gap(self, j: int) -> str:
        return self.template[self.atoms[j - 1].end : self.atoms[j].start]

    def _next_start(self, j: int) -> int:
        return self.atoms[j].start if j < len(self.atoms) else self.atoms[j - 1].end

    def _continued(self, text: str) -> str:
        """Text put into a line of the match's indentation, ready for what follows it."""
        indent = self.source.indent_at(self.span[0])
        return indented(text, indent, first=False) + (indent if text.endswith("\n") else "")
