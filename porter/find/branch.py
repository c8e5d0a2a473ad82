"""``add-branch``: an ``elif`` for an if-chain."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from porter.find.difference import Change
from porter.find.found import Found, line_after
from porter.find.layout import indented
from porter.find.pattern import Match, compile_pattern, match_node
from porter.find.source import SourceFile
from porter.find.template import fill
from porter.rulebook.operations import AddBranch


def find(operation: AddBranch, source: SourceFile) -> Iterator[Found]:
    """The chains that lack the branch."""
    for chain in _chains(source):
        if not source.allows(operation.within, source.span(chain[0])):
            continue
        match = _test(operation.chain, chain, source)
        if match is not None and _test(operation.test, chain, source) is None:
            change = _added(operation, chain, match[1], source)
            if change is not None:
                yield Found((change,))


def _chains(source: SourceFile) -> Iterator[list[cst.If]]:
    """Each if-chain as its branches with a condition, in order."""
    branches = source.nodes([cst.If])
    continued = {id(node.orelse) for node in branches if isinstance(node, cst.If)}
    for node in branches:
        if id(node) not in continued:
            chain: list[cst.If] = []
            link: object = node
            while isinstance(link, cst.If):
                chain.append(link)
                link = link.orelse
            yield chain


def _test(text: str, chain: list[cst.If], source: SourceFile) -> tuple[cst.If, Match] | None:
    """The first branch whose condition is what a pattern says."""
    pattern = compile_pattern(text)
    for branch in chain:
        match = match_node(pattern, branch.test, source)
        if match is not None:
            return branch, match
    return None


def _added(
    operation: AddBranch, chain: list[cst.If], match: Match, source: SourceFile
) -> Change | None:
    start = source.span(chain[0])[0]
    indent = source.indent_at(start)
    unit = _body_indent(chain[0], source, indent)
    body = indented(fill(operation.body, match, source), indent + unit)
    head = f"if {fill(operation.test, match, source)}:\n{body}\n"
    if not operation.before:
        place = line_after(source, source.span(chain[-1].body)[1])
        lead = "" if source.data[:place].endswith(b"\n") else "\n"
        return Change(place, place, f"{lead}{indent}el{head}")
    found = _test(operation.before, chain, source)
    if found is None:
        return None
    branch = found[0]
    if branch is chain[0]:
        return Change(start, start, f"{head}{indent}el")
    place = source.line_start(source.span(branch)[0])
    return Change(place, place, f"{indent}el{head}")


def _body_indent(branch: cst.If, source: SourceFile, indent: str) -> str:
    body = branch.body
    if isinstance(body, cst.IndentedBlock) and body.body:
        inner = source.indent_at(source.span(body.body[0])[0])
        return inner[len(indent) :] or "    "
    return "    "
