"""The pattern language of rules: Python code with ``$X`` for one node, ``$$$REST`` for many.

As in ast-grep and Semgrep, layout, comments, redundant parentheses and the kind of quotes
do not matter. A dotted name that starts with a module (``torch.cuda.set_device``) matches
whatever resolves to it; any other name matches as it is spelled.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

import libcst as cst

from porter.errors import RuleFileError
from porter.find.source import SourceFile, Span

#: Where a Name node is not a reference.
_LABELS: tuple[tuple[type[cst.CSTNode], str], ...] = (
    (cst.Attribute, "attr"),
    (cst.Arg, "keyword"),
    (cst.Param, "name"),
    (cst.FunctionDef, "name"),
    (cst.ClassDef, "name"),
    (cst.ImportAlias, "name"),
)

#: Names that stand for a module wherever a pattern or a template starts with them.
MODULES = frozenset(
    (
        *("apex", "math", "mmcv", "mmdet", "mmengine", "numpy", "os", "random", "sys"),
        *("torch", "torchvision", "warnings"),
    )
)

ONE, MANY = "porter_one_", "porter_many_"
_METAVARIABLE = re.compile(r"(\$\$\$|\$)([A-Z][A-Z0-9_]*)")
_LAYOUT = frozenset(
    (
        *("colon", "comma", "dot", "equal", "first_colon", "second_colon", "semicolon"),
        *("lbrace", "lbracket", "lpar", "rbrace", "rbracket", "rpar"),
        *("footer", "header", "indent", "leading_lines", "lines_after_decorators"),
        *("default_indent", "default_newline", "encoding", "has_trailing_newline"),
        "trailing_whitespace",
    )
)


@dataclass
class Match:
    """A place where a pattern holds.

    Attributes:
        span: The matched code, in the file.
        nodes: The matched node, or the matched statements.
        captures: Metavariable -> its code's span; empty ones have no length.
    """

    span: Span
    nodes: Sequence[cst.CSTNode]
    captures: dict[str, Span] = field(default_factory=dict)


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern: an expression, or consecutive statements."""

    text: str
    expression: cst.BaseExpression | None
    statements: tuple[cst.CSTNode, ...]


def with_placeholders(code: str) -> str:
    """Code with its metavariables as identifiers that Python can parse."""
    return _METAVARIABLE.sub(lambda m: (MANY if m[1] == "$$$" else ONE) + m[2], code)


@lru_cache(maxsize=1024)
def compile_pattern(text: str, as_statements: bool = False) -> Pattern:
    """The pattern that a text spells.

    Args:
        as_statements: Read a lone expression as a statement.

    Raises:
        RuleFileError: If the text is not Python, metavariables aside.
    """
    code = with_placeholders(text.strip("\n"))
    expression = None if as_statements else _expression(code)
    if expression is not None:
        return Pattern(text, expression, ())
    statements = _statements(code)
    if statements is None:
        raise RuleFileError(f"the pattern {text.strip()!r} is not Python")
    return Pattern(text, None, statements)


def is_expression(text: str) -> bool:
    """Whether a pattern or template is one expression."""
    return _expression(with_placeholders(text.strip("\n"))) is not None


def _expression(code: str) -> cst.BaseExpression | None:
    """The expression that code is; one on several lines needs no parentheses of its own."""
    try:
        return cst.parse_expression(code)
    except cst.ParserSyntaxError:
        if "\n" not in code or _statements(code) is not None:
            return None
    try:
        return cst.parse_expression(f"({code}\n)")
    except cst.ParserSyntaxError:
        return None


def _statements(code: str) -> tuple[cst.CSTNode, ...] | None:
    try:
        return tuple(flat_statements(cst.parse_module(code + "\n").body))
    except cst.ParserSyntaxError:
        return None


def flat_statements(body: Sequence[cst.CSTNode]) -> list[cst.CSTNode]:
    """Statements one by one: a line with semicolons counts as several."""
    flat: list[cst.CSTNode] = []
    for statement in body:
        flat.extend(
            statement.body if isinstance(statement, cst.SimpleStatementLine) else [statement]
        )
    return flat


def find_matches(pattern: Pattern, source: SourceFile, within: str = "") -> Iterator[Match]:
    """All the places where a pattern holds, in the order of the file."""
    matcher = _Matcher(source)
    for nodes, captures in matcher.candidates(pattern):
        span = source.span(nodes[0])[0], source.span(nodes[-1])[1]
        if source.allows(within, span):
            yield Match(span, nodes, captures)


def match_node(pattern: Pattern, node: cst.CSTNode, source: SourceFile) -> Match | None:
    """The match of an expression pattern at one node, or None."""
    captures: dict[str, Span] = {}
    if pattern.expression is None or not _Matcher(source).equal(pattern.expression, node, captures):
        return None
    return Match(source.span(node), [node], captures)


class _Matcher:
    def __init__(self, source: SourceFile) -> None:
        self._source = source

    def candidates(
        self, pattern: Pattern
    ) -> Iterator[tuple[Sequence[cst.CSTNode], dict[str, Span]]]:
        if pattern.expression is not None:
            yield from self._expressions(pattern.expression)
        else:
            yield from self._statement_runs(pattern.statements)

    def _expressions(
        self, wanted: cst.BaseExpression
    ) -> Iterator[tuple[Sequence[cst.CSTNode], dict[str, Span]]]:
        kinds = (cst.Name, cst.Attribute) if dotted(wanted) else (type(wanted),)
        labels = self._labels() if cst.Name in kinds else set()
        for node in self._source.nodes(kinds):
            if id(node) in labels:
                continue
            captures: dict[str, Span] = {}
            if self.equal(wanted, node, captures):
                yield [node], captures

    def _labels(self) -> set[int]:
        """The names that are no references: attributes, keywords, what definitions bind."""
        labels: set[int] = set()
        for cls, field_name in _LABELS:
            labels.update(id(getattr(node, field_name)) for node in self._source.nodes([cls]))
        return labels

    def _statement_runs(
        self, wanted: Sequence[cst.CSTNode]
    ) -> Iterator[tuple[Sequence[cst.CSTNode], dict[str, Span]]]:
        for block in self._source.nodes((cst.Module, cst.IndentedBlock, cst.SimpleStatementSuite)):
            statements = flat_statements(block.body)
            for first in range(len(statements)):
                for found in self._run_at(wanted, statements, first):
                    yield found
                    break

    def _run_at(
        self, wanted: Sequence[cst.CSTNode], statements: Sequence[cst.CSTNode], first: int
    ) -> Iterator[tuple[Sequence[cst.CSTNode], dict[str, Span]]]:
        """The shortest run of statements from ``first`` that is what is wanted, if any."""
        fixed = sum(many_name(statement) is None for statement in wanted)
        longest = len(statements) - first if fixed < len(wanted) else fixed
        for length in range(fixed, longest + 1):
            run = statements[first : first + length]
            captures: dict[str, Span] = {}
            if len(run) == length and self._sequences(wanted, run, captures):
                yield run, captures

    def equal(self, wanted: Any, found: Any, captures: dict[str, Span]) -> bool:
        """Whether found code is what a pattern's node wants; captures are added."""
        name = one_name(wanted)
        if name is not None:
            return isinstance(found, cst.CSTNode) and self._capture(name, [found], captures)
        parts = dotted(wanted)
        if parts and parts[0] in MODULES and isinstance(found, (cst.Name, cst.Attribute)):
            return self._same_qualified(parts, found, captures)
        if type(wanted) is not type(found):
            return False
        if isinstance(wanted, cst.SimpleString) and isinstance(found, cst.SimpleString):
            return bool(wanted.evaluated_value == found.evaluated_value)
        if isinstance(wanted, cst.CSTNode):
            return self._fields(wanted, found, captures)
        return bool(wanted == found)

    def _fields(self, wanted: cst.CSTNode, found: cst.CSTNode, captures: dict[str, Span]) -> bool:
        for name in _compared_fields(type(wanted)):
            left, right = getattr(wanted, name), getattr(found, name)
            if _left_open(wanted, name, left):
                continue
            if isinstance(wanted, cst.Parameters) and self._any_parameters(wanted, found, captures):
                return True
            if not self._values(left, right, captures):
                return False
        return True

    def _values(self, left: Any, right: Any, captures: dict[str, Span]) -> bool:
        if isinstance(left, cst.BaseSuite) and isinstance(right, cst.BaseSuite):
            left, right = flat_statements(left.body), flat_statements(right.body)
        if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
            return self._sequences(left, right, captures)
        if isinstance(left, cst.MaybeSentinel) or isinstance(right, cst.MaybeSentinel):
            return bool(left == right)
        return self.equal(left, right, captures)

    def _sequences(
        self, wanted: Sequence[Any], found: Sequence[Any], captures: dict[str, Span]
    ) -> bool:
        if not wanted:
            return not found
        name = many_name(wanted[0])
        if name is None:
            trial = dict(captures)
            if not found or not self.equal(wanted[0], found[0], trial):
                return False
            if not self._sequences(wanted[1:], found[1:], trial):
                return False
            captures.update(trial)
            return True
        for length in range(len(found) + 1):
            trial = dict(captures)
            if self._sequences(wanted[1:], found[length:], trial) and self._capture(
                name, found[:length], trial
            ):
                captures.update(trial)
                return True
        return False

    def _any_parameters(self, wanted: Any, found: Any, captures: dict[str, Span]) -> bool:
        name = many_name(wanted.params[0]) if len(wanted.params) == 1 else None
        if name is None:
            return False
        every = [*found.posonly_params, *found.params, *found.kwonly_params]
        every += [p for p in (found.star_arg, found.star_kwarg) if isinstance(p, cst.Param)]
        every.sort(key=self._source.span)
        return self._capture(name, every, captures)

    def _capture(self, name: str, nodes: Sequence[cst.CSTNode], captures: dict[str, Span]) -> bool:
        span = (self._outer(nodes[0])[0], self._outer(nodes[-1])[1]) if nodes else (0, 0)
        if name in captures:
            return _plain(self._source.text(captures[name])) == _plain(self._source.text(span))
        captures[name] = span
        return True

    def _outer(self, node: cst.CSTNode) -> Span:
        """A node's span with its parentheses, and without a separating comma."""
        start, end = self._source.span(node)
        parts = [getattr(node, name, None) for name in ("value", "annotation", "default")]
        if isinstance(node, (cst.Arg, cst.Element, cst.Param)):
            inner = [self._outer(part) for part in parts if isinstance(part, cst.CSTNode)]
            plain = isinstance(node, cst.Element) or (
                isinstance(node, cst.Arg) and not node.keyword and not node.star
            )
            return (inner[0][0] if plain else start), max([span[1] for span in inner], default=end)
        left, right = getattr(node, "lpar", ()), getattr(node, "rpar", ())
        if left and right:
            return self._source.span(left[0])[0], self._source.span(right[-1])[1]
        return start, end

    def _same_qualified(
        self, parts: Sequence[str], found: cst.CSTNode, captures: dict[str, Span]
    ) -> bool:
        spelled = dotted(found)
        if not spelled:
            return False
        span = self._source.span(found)
        for origin in self._source.names.resolve(spelled[0], span[0]):
            full = [*origin.split("."), *spelled[1:]]
            if len(full) == len(parts) and self._parts(parts, full, span, captures):
                return True
        return False

    def _parts(
        self, wanted: Sequence[str], full: Sequence[str], span: Span, captures: dict[str, Span]
    ) -> bool:
        for want, have in zip(wanted, full):
            if not want.startswith(ONE) and want != have:
                return False
        if wanted[-1].startswith(ONE):
            captures[wanted[-1][len(ONE) :]] = (span[1] - len(full[-1].encode()), span[1])
        return True


@lru_cache(maxsize=256)
def _compared_fields(cls: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple(
        f.name for f in fields(cls) if f.name not in _LAYOUT and not f.name.startswith("whitespace")
    )


def _left_open(wanted: cst.CSTNode, name: str, value: object) -> bool:
    """What a pattern may leave unsaid of a definition: decorators, annotations, bases."""
    if isinstance(wanted, cst.FunctionDef):
        return name in ("decorators", "returns", "asynchronous") and not value
    if isinstance(wanted, cst.ClassDef):
        return name in ("decorators", "bases", "keywords") and not value
    return isinstance(wanted, cst.Param) and name == "annotation" and value is None


def one_name(node: Any) -> str | None:
    """The metavariable that a pattern node is, if it is a ``$X``."""
    if isinstance(node, cst.Expr):
        node = node.value
    if isinstance(node, cst.Name) and node.value.startswith(ONE):
        return node.value[len(ONE) :]
    return None


def many_name(node: Any) -> str | None:
    """The metavariable that an element of a pattern's sequence is, if it is a ``$$$X``."""
    if isinstance(node, cst.Arg) and (node.keyword is not None or node.star):
        return None
    for name in ("slice", "value", "name"):
        if not isinstance(node, cst.Name) and isinstance(getattr(node, name, None), cst.CSTNode):
            node = getattr(node, name)
    if isinstance(node, cst.Name) and node.value.startswith(MANY):
        return node.value[len(MANY) :]
    return None


def dotted(node: Any) -> list[str]:
    """The parts of a dotted name; empty for any other node."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return []
    return [node.value, *reversed(parts)]


def _plain(text: str) -> str:
    return "".join(text.split())


def pattern_words(text: str) -> set[str]:
    """Words that any code matching a pattern must have: a cheap test before parsing.

    Of a dotted module name only the last part counts, for the first ones may hide behind
    an import.
    """
    words: set[str] = set()
    for found in re.finditer(r"(?<![\w.$])[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*|\$+[A-Z]\w*", text):
        parts = [part.strip() for part in found[0].split(".")]
        if parts[0] in MODULES:
            words.add(parts[-1])
        elif not parts[0].startswith("$"):
            words.update(parts)
    return {word for word in words if not keyword.iskeyword(word)}
