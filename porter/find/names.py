"""What a name means where it stands, by Python's own rules of scope.

Works on the standard library's ``ast`` of the whole file, whose byte positions make the
scopes around a place cheap to find; bindings of a scope are collected when first asked for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ClassDef,
    *_COMPREHENSIONS,
)

#: What a name bound by anything but an import resolves to; equal to no dotted name.
LOCAL = "<local>"


@dataclass(frozen=True)
class Bindings:
    """What one scope binds: imported names with what they stand for, and all others."""

    imported: dict[str, frozenset[str]]
    other: frozenset[str]
    outer: frozenset[str]


class Names:
    """Resolves names of one file.

    Args:
        tree: The file's module.
        lines: Byte offset at which each line starts.
        package: The dotted name that the file's relative imports start from.
    """

    def __init__(self, tree: ast.Module, lines: list[int], package: str) -> None:
        self._tree, self._lines = tree, lines
        self._package = package
        self._collected: dict[ast.AST, Bindings] = {}

    def resolve(self, name: str, offset: int) -> frozenset[str]:
        """The dotted names that a plain name may stand for at a byte offset.

        A name that is bound by several imports (one of them in an ``except``, say) may
        stand for each; one that nothing binds stands for itself, as builtins do.
        """
        scopes = list(self._scopes_at(offset))
        for depth, scope in enumerate(scopes):
            if isinstance(scope, ast.ClassDef) and depth > 0:
                continue
            bindings = self._bindings(scope)
            if name in bindings.outer:
                continue
            if name in bindings.imported:
                return bindings.imported[name]
            if name in bindings.other:
                return frozenset({LOCAL})
        return frozenset({name})

    def local_spelling(self, dotted: str, offset: int) -> str | None:
        """How the file spells a dotted name at an offset: ``t.cuda`` for ``torch.cuda``.

        Returns:
            None where nothing the file imports there leads to the name.
        """
        head = dotted.partition(".")[0]
        if dotted == head and head in self.resolve(head, offset):
            return head
        if head in self.resolve(head, offset) and self.is_bound(head, offset):
            return dotted
        for name in self._imported_names:
            for origin in self.resolve(name, offset):
                if dotted == origin or dotted.startswith(origin + "."):
                    return name + dotted[len(origin) :]
        return None

    def is_bound(self, name: str, offset: int) -> bool:
        """Whether an import binds a name that can be used at an offset."""
        return any(name in self._bindings(s).imported for s in self._scopes_at(offset))

    @cached_property
    def _imported_names(self) -> list[str]:
        return sorted(self._bindings(self._tree).imported)

    def _scopes_at(self, offset: int) -> Iterator[ast.AST]:
        """The scopes around an offset, innermost first, the module last."""
        return reversed([self._tree, *self._descend(self._tree, offset)])

    def _descend(self, node: ast.AST, offset: int) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if self._holds(child, offset):
                if isinstance(child, _SCOPES) and self._in_scope(child, offset):
                    yield child
                yield from self._descend(child, offset)

    def _holds(self, node: ast.AST, offset: int) -> bool:
        if not hasattr(node, "lineno"):
            return isinstance(
                node, (ast.arguments, ast.comprehension, ast.withitem, ast.match_case)
            )
        decorators = getattr(node, "decorator_list", [])
        first = decorators[0] if decorators else node
        return self.start(first) <= offset < self.end(node)

    def _in_scope(self, node: ast.AST, offset: int) -> bool:
        """Decorators, defaults and annotations belong to the scope outside."""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return offset >= self.start(node.body[0])
        return True

    def start(self, node: ast.AST) -> int:
        """Byte offset at which a node begins."""
        return int(self._lines[node.lineno - 1] + node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Byte offset just after a node."""
        line, column = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
        return int(self._lines[line - 1] + column)

    def bindings(self, scope: ast.AST) -> Bindings:
        """What a module, function, class, lambda or comprehension binds; collected once."""
        return self._bindings(scope)

    def _bindings(self, scope: ast.AST) -> Bindings:
        if scope not in self._collected:
            self._collected[scope] = self._collect(scope)
        return self._collected[scope]

    def _collect(self, scope: ast.AST) -> Bindings:
        imported: dict[str, set[str]] = {}
        other, outer = set(_parameters(scope)), set()
        for node in _nodes_in_scope(scope):
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                outer.update(node.names)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for name, origin in self._imports(node):
                    imported.setdefault(name, set()).add(origin)
            else:
                other.update(_bound_by(node))
        return Bindings(
            {name: frozenset(origins) for name, origins in imported.items()},
            frozenset(other - imported.keys() - outer),
            frozenset(outer),
        )

    def _imports(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (head, head)
            return
        base = absolute_module(node.module or "", node.level, self._package)
        for alias in node.names:
            yield alias.asname or alias.name, f"{base}.{alias.name}"


def absolute_module(module: str, level: int, package: str) -> str:
    """The absolute name of what ``from <dots><module> import`` imports from."""
    if not level:
        return module
    parents = package.split(".")
    base = parents[: len(parents) - level + 1]
    return ".".join([*base, module] if module else base)


def _parameters(scope: ast.AST) -> Iterator[str]:
    if isinstance(scope, FunctionNode):
        arguments = scope.args
        for group in (arguments.posonlyargs, arguments.args, arguments.kwonlyargs):
            yield from (argument.arg for argument in group)
        for single in (arguments.vararg, arguments.kwarg):
            if single is not None:
                yield single.arg


def _nodes_in_scope(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope, not those of the scopes inside it."""
    todo: list[ast.AST] = list(_own_children(scope))
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, _SCOPES):
            todo.extend(_walrus_targets(node) if isinstance(node, _COMPREHENSIONS) else [])
        else:
            todo.extend(ast.iter_child_nodes(node))


def _own_children(scope: ast.AST) -> Iterator[ast.AST]:
    if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return iter(scope.body)
    return ast.iter_child_nodes(scope)


def _walrus_targets(comprehension: ast.AST) -> list[ast.AST]:
    """``:=`` in a comprehension binds in the scope around it."""
    return [node.target for node in ast.walk(comprehension) if isinstance(node, ast.NamedExpr)]


#: Nodes that bind what their ``name`` says, if it says anything.
_NAMED = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.ExceptHandler, ast.MatchAs, ast.MatchStar),
)


def _bound_by(node: ast.AST) -> Iterator[str]:
    name: str | None = None
    if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
        name = node.id
    elif isinstance(node, _NAMED):
        name = node.name
    elif isinstance(node, ast.MatchMapping):
        name = node.rest
    if name:
        yield name
