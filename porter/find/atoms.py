"""Code as a sequence of atoms: tokens, with dotted module names and metavariables whole.

What a rule's ``match`` and ``replace`` have in common, and where that stands in a file, is
found on atoms, so that layout and comments between unchanged ones are never touched.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass

from porter.find.pattern import MANY, MODULES, ONE, with_placeholders

_SKIPPED = {
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.COMMENT,
    tokenize.ENDMARKER,
}
_FSTRING_START = getattr(tokenize, "FSTRING_START", -1)
_FSTRING_END = getattr(tokenize, "FSTRING_END", -2)


@dataclass(frozen=True)
class Atom:
    """One atom of some text.

    Attributes:
        kind: ``code``, ``name`` (a dotted module name), ``one`` or ``many``.
        text: What it says; of a metavariable, its name.
        start, end: Offsets in the text, in characters.
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def key(self) -> tuple[str, str]:
        """What makes two atoms the same."""
        return self.kind, _string_key(self.text) if self.kind == "code" else self.text


def atoms_of(code: str) -> list[Atom]:
    """The atoms of a pattern or template; offsets are into the text with placeholders."""
    return _group(_tokens(with_placeholders(code)))


def plain_atoms(code: str) -> list[Atom]:
    """The tokens of a file's own code, nothing grouped."""
    return _tokens(code)


def _tokens(code: str) -> list[Atom]:
    """The tokens of an expression or of statements, wherever its first line starts.

    Expressions that span lines without parentheses of their own are read in a pair.
    """
    try:
        return _tokenize(code, 0)
    except (tokenize.TokenError, IndentationError):
        return _tokenize(f"({code}\n)", 1)[1:-1]


def _tokenize(code: str, offset: int) -> list[Atom]:
    starts = [0]
    for line in code.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    atoms: list[Atom] = []
    depth = first = 0
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        start = starts[token.start[0] - 1] + token.start[1] - offset
        end = starts[token.end[0] - 1] + token.end[1] - offset
        if token.type == _FSTRING_START:
            depth += 1
            first = start if depth == 1 else first
        if token.type == _FSTRING_END:
            depth -= 1
            if depth == 0:
                atoms.append(Atom("code", code[first + offset : end + offset], first, end))
        elif depth == 0 and token.type not in _SKIPPED:
            atoms.append(Atom("code", token.string, start, end))
    return atoms


def _group(tokens: Sequence[Atom]) -> list[Atom]:
    grouped: list[Atom] = []
    position = 0
    while position < len(tokens):
        length = _chain_length(tokens, position)
        first, last = tokens[position], tokens[position + max(length, 1) - 1]
        text = "".join(token.text for token in tokens[position : position + length])
        if length:
            grouped.append(Atom("name", text, first.start, last.end))
        elif first.text.startswith((ONE, MANY)):
            kind, prefix = ("one", ONE) if first.text.startswith(ONE) else ("many", MANY)
            grouped.append(Atom(kind, first.text[len(prefix) :], first.start, first.end))
        else:
            grouped.append(first)
        position += max(length, 1)
    return grouped


def _chain_length(tokens: Sequence[Atom], first: int) -> int:
    """How many tokens from ``first`` on are a dotted module name; 0 for none."""
    head = tokens[first].text
    before = tokens[first - 1].text if first else ""
    after = tokens[first + 1].text if first + 1 < len(tokens) else ""
    if head not in MODULES or before in (".", "import", "from") or after == "=":
        return 0
    length = 1
    while (
        first + length + 1 < len(tokens)
        and tokens[first + length].text == "."
        and tokens[first + length + 1].text.isidentifier()
        and not tokens[first + length + 1].text.startswith((ONE, MANY))
    ):
        length += 2
    return length


def _string_key(text: str) -> str:
    """Strings are the same whatever their quotes."""
    if text[-1:] not in "'\"" or not text:
        return text
    try:
        return repr(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text
