"""Where libcst's nodes stand in their file, in bytes.

libcst's own provider does the same with a context manager of ``contextlib`` a node, an encoded
copy a token and a hash in Python a look-up, which together take as long as the parser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst
from libcst.metadata.span_provider import SpanProvidingCodegenState

Span = tuple[int, int]


class Spans:
    """The nodes of a module, inner ones first, and the span of each without white space around."""

    def __init__(self, module: cst.Module) -> None:
        state = _State(module.default_indent, module.default_newline)
        module._codegen(state)
        # The nodes are kept, as an id stands for its node only while that is there.
        self.nodes: Sequence[cst.CSTNode] = state.nodes
        self._spans = state.spans

    def __getitem__(self, node: cst.CSTNode) -> Span:
        return self._spans[id(node)]


class _State(SpanProvidingCodegenState):
    """Follows how far the text is written."""

    def __init__(self, default_indent: str, default_newline: str) -> None:
        super().__init__(default_indent, default_newline, provider=None)  # type: ignore[arg-type]
        self.nodes: list[cst.CSTNode] = []
        self.spans: dict[int, Span] = {}

    def note(self, node: cst.CSTNode, start: int, end: int) -> None:
        self.nodes.append(node)
        self.spans[id(node)] = start, end

    def add_indent_tokens(self) -> None:
        for token in self.indent_tokens:
            self.add_token(token)

    def add_token(self, value: str) -> None:
        self.tokens.append(value)  # libcst asks whether there are any
        self.position += len(value) if value.isascii() else len(value.encode("utf-8"))

    def after_codegen(self, node: cst.CSTNode) -> None:
        start = self._stack.pop()
        if id(node) not in self.spans:
            self.note(node, start, self.position)

    def record_syntactic_position(self, node: cst.CSTNode, **ends: Any) -> Any:
        return _Syntactic(self, node, **ends)


class _Syntactic:
    """Notes what is written meanwhile as a node's own text."""

    def __init__(
        self,
        state: _State,
        node: cst.CSTNode,
        start_node: cst.CSTNode | None = None,
        end_node: cst.CSTNode | None = None,
    ) -> None:
        self._state, self._node = state, node
        self._first, self._last = start_node, end_node

    def __enter__(self) -> None:
        self._start = self._state.position

    def __exit__(self, *_problem: object) -> None:
        spans = self._state.spans
        start = spans[id(self._first)][0] if self._first is not None else self._start
        end = spans[id(self._last)][1] if self._last is not None else self._state.position
        self._state.note(self._node, start, end)
