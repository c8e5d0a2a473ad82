"""Filling a rule's template from a match, touching only what the match does not have yet."""

from __future__ import annotations

from collections.abc import Sequence

from porter.find.atoms import Atom, atoms_of, plain_atoms
from porter.find.difference import Change, Difference, Placement
from porter.find.layout import indented, strip_indent
from porter.find.pattern import Match, with_placeholders
from porter.find.source import SourceFile, Span


class TemplateError(Exception):
    """A template that cannot be filled at a place; the message says why."""


def fill(template: str, match: Match, source: SourceFile) -> str:
    """The template's text for a match, indented from column 0.

    Raises:
        TemplateError: If it needs a module that the file does not import.
    """
    text = with_placeholders(template.strip("\n"))
    return _Filler(text, match, source).between(0, len(text), atoms_of(template.strip("\n")))


def changes(match_text: str, template: str, match: Match, source: SourceFile) -> list[Change]:
    """The smallest changes that turn a match into the template.

    Raises:
        TemplateError: If the template needs a module that the file does not import.
    """
    wanted = template.strip("\n")
    placed = _place(atoms_of(match_text.strip("\n")), match, source)
    if placed is None or not wanted:
        return [_whole(wanted, match, source)]
    text, atoms = with_placeholders(wanted), atoms_of(wanted)
    filler = _Filler(text, match, source)
    difference = Difference(
        with_placeholders(match_text.strip("\n")),
        placed,
        text,
        atoms,
        lambda start, end: filler.between(start, end, atoms),
        filler.is_empty,
        match.span,
        source,
    )
    if _moves_lines(difference):
        return [_whole(wanted, match, source)]
    return list(difference.changes())


def _whole(template: str, match: Match, source: SourceFile) -> Change:
    indent = source.indent_at(match.span[0])
    return Change(*match.span, indented(fill(template, match, source), indent, first=False))


class _Filler:
    """Renders stretches of a template: captures in, module names as the file spells them."""

    def __init__(self, text: str, match: Match, source: SourceFile) -> None:
        self._text, self._match, self._source = text, match, source

    def between(self, start: int, end: int, atoms: Sequence[Atom]) -> str:
        """The filled text between two offsets of the template."""
        pieces: list[str] = []
        position = start
        for atom in atoms:
            if atom.kind != "code" and start <= atom.start and atom.end <= end:
                pieces.append(self._text[position : atom.start])
                pieces.append(self._value(atom))
                position = atom.end
        pieces.append(self._text[position:end])
        return _without_empty_arguments("".join(pieces))

    def is_empty(self, atom: Atom) -> bool:
        """Whether an atom is a metavariable that captured nothing."""
        return atom.kind == "many" and self._match.captures[atom.text] == (0, 0)

    def _value(self, atom: Atom) -> str:
        if atom.kind == "name":
            return self._module_name(atom.text)
        span = self._match.captures[atom.text]
        line = self._text[self._text.rfind("\n", 0, atom.start) + 1 : atom.start]
        lead = line[: len(line) - len(line.lstrip())]
        text = strip_indent(self._source.text(span), self._source.indent_at(span[0]))
        return indented(text, lead, first=False) or _EMPTY

    def _module_name(self, dotted: str) -> str:
        spelled = self._source.names.local_spelling(dotted, self._match.span[0])
        if spelled is not None:
            return spelled
        head = dotted.partition(".")[0]
        if f"import {head}" in self._text:
            return dotted
        raise TemplateError(f"the replacement uses `{head}`, which the file does not import")


#: Stands for a metavariable that captured nothing, until its comma is dealt with.
_EMPTY = "\0"


def _without_empty_arguments(text: str) -> str:
    for gone in (f", {_EMPTY}", f"{_EMPTY}, ", f"{_EMPTY},", _EMPTY):
        text = text.replace(gone, "")
    return text


def _moves_lines(difference: Difference) -> bool:
    """Whether kept code that spans lines would have to be indented anew."""
    source, placed, span = difference.source, difference.placed, difference.span
    if "\n" not in source.text(span):
        return False
    for tag, i1, i2, j1, _ in difference.blocks():
        if tag != "equal" or "\n" not in source.text((placed[i1][1][0], placed[i2 - 1][1][1])):
            continue
        start = difference.atoms[j1].start
        lead = difference.template[difference.template.rfind("\n", 0, start) + 1 : start]
        if lead != lead.lstrip() and placed[i1][1][0] == span[0]:
            return True
    return False


def _place(wanted: Sequence[Atom], match: Match, source: SourceFile) -> list[Placement] | None:
    """Where the file has each atom of the pattern; None if the two do not line up."""
    start, end = match.span
    line = source.line_start(start)
    lead = source.data[line:start]
    begin = line if not lead.strip() else start
    text = source.text((begin, end))
    tokens = [(atom, _bytes(text, atom, begin)) for atom in plain_atoms(text)]
    placed: list[Placement] = []
    position = 0
    for atom in wanted:
        step = _place_one(atom, tokens, position, match, source)
        if step is None:
            return None
        span, position = step
        placed.append((atom, span))
    left = [atom.text for atom, _ in tokens[position:]]
    return placed if set(left) <= {",", ")"} else None


def _place_one(
    atom: Atom,
    tokens: Sequence[Placement],
    position: int,
    match: Match,
    source: SourceFile,
) -> tuple[Span, int] | None:
    if atom.kind in ("one", "many"):
        span = match.captures[atom.text]
        if span == (0, 0):
            place = tokens[position - 1][1][1] if position else match.span[0]
            return (place, place), position
        while position < len(tokens) and tokens[position][1][0] < span[1]:
            position += 1
        return span, position
    while position < len(tokens):
        if atom.kind == "name":
            length = _spelling_length(atom.text, tokens, position, source)
            if length:
                return (
                    tokens[position][1][0],
                    tokens[position + length - 1][1][1],
                ), position + length
        elif tokens[position][0].key == atom.key:
            return tokens[position][1], position + 1
        if tokens[position][0].text not in ("(", ")", ","):
            return None
        position += 1
    return None


def _spelling_length(
    dotted: str, tokens: Sequence[Placement], position: int, source: SourceFile
) -> int:
    """How many tokens from a position spell a dotted name, whatever the import."""
    head, span = tokens[position]
    if not head.text.isidentifier():
        return 0
    for origin in source.names.resolve(head.text, span[0]):
        rest = dotted[len(origin) :]
        if dotted == origin or dotted.startswith(origin + "."):
            length = 1 + 2 * rest.count(".")
            spelled = "".join(atom.text for atom, _ in tokens[position + 1 : position + length])
            if spelled == rest:
                return length
    return 0


def _bytes(text: str, atom: Atom, begin: int) -> Span:
    start = begin + len(text[: atom.start].encode("utf-8"))
    return start, start + len(text[atom.start : atom.end].encode("utf-8"))
