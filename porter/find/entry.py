"""``add-entry``: one more entry for a list, tuple, set, dict or call that is assigned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from porter.find.difference import Change
from porter.find.found import Found
from porter.find.pattern import compile_pattern, match_node
from porter.find.source import SourceFile
from porter.rulebook.operations import AddEntry

Container = cst.List | cst.Tuple | cst.Set | cst.Dict | cst.Call


def find(operation: AddEntry, source: SourceFile) -> Iterator[Found]:
    """The containers assigned to the name that lack the entry."""
    entry = operation.entry.strip()
    for container in _assigned(operation, source):
        items = _items(container)
        if items and not any(_same(entry, item, source) for item in items):
            yield Found((_appended(entry, items, source),))


def _assigned(operation: AddEntry, source: SourceFile) -> Iterator[Container]:
    for node in source.nodes([cst.Assign, cst.AnnAssign, cst.AugAssign]):
        if not source.allows(operation.within, source.span(node)):
            continue
        targets = (
            [target.target for target in node.targets]
            if isinstance(node, cst.Assign)
            else [node.target]
        )
        value = node.value
        named = any(source.text(source.span(target)) == operation.to for target in targets)
        if named and isinstance(value, Container):
            yield value


def _items(container: Container) -> Sequence[cst.CSTNode]:
    return container.args if isinstance(container, cst.Call) else container.elements


def _same(entry: str, item: cst.CSTNode, source: SourceFile) -> bool:
    value = getattr(item, "value", None)
    if isinstance(item, cst.Element) and value is not None:
        return match_node(compile_pattern(entry), value, source) is not None
    written = source.text(source.span(item)).rstrip(", \n")
    return "".join(written.split()) == "".join(entry.split())


def _appended(entry: str, items: Sequence[cst.CSTNode], source: SourceFile) -> Change:
    """The entry after the last one, on a line of its own where the others have theirs."""
    last = items[-1]
    start = source.span(last)[0]
    value_end = _code_end(last, source)
    comma = isinstance(getattr(last, "comma", None), cst.Comma)
    indent = source.indent_at(start)
    alone = len(items) > 1 and all(_starts_line(item, source) for item in items[-2:])
    width = value_end - source.line_start(value_end) + len(entry) + 3
    gap = f"\n{indent}" if alone or width > 79 else " "
    if comma:
        after = source.data.index(b",", value_end) + 1
        return Change(after, after, f"{gap}{entry},")
    return Change(value_end, value_end, f",{gap}{entry}")


def _starts_line(item: cst.CSTNode, source: SourceFile) -> bool:
    start = source.span(item)[0]
    return not source.data[source.line_start(start) : start].strip()


def _code_end(item: cst.CSTNode, source: SourceFile) -> int:
    value = getattr(item, "value", None)
    return source.span(value if isinstance(value, cst.CSTNode) else item)[1]
