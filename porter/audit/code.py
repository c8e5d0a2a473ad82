"""One Python file as an audit sees it: what is around a node, and what a name stands for there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from porter.find.names import LOCAL
from porter.find.source import SourceFile

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (*_FUNCTIONS, ast.ClassDef, *_COMPREHENSIONS)

#: How many assignments a value is followed through.
DEPTH = 5


@dataclass(frozen=True)
class Guard:
    """What must hold for a place to be reached.

    Attributes:
        test: An expression; None for a ``try`` that catches what the place may raise.
        holds: Whether the test must be true there, or false.
        caught: Names of the exceptions that a ``try`` catches.
    """

    test: ast.expr | None
    holds: bool = True
    caught: tuple[str, ...] = ()


class Code:
    """A parsed file with its parents, scopes, assignments and guards.

    Args:
        source: The file; it must parse.
    """

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.tree = source.tree
        self.nodes: list[ast.AST] = []
        self.parents: dict[ast.AST, ast.AST] = {}
        todo: list[ast.AST] = [self.tree]
        for node in todo:
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
                todo.append(child)
        self.nodes = todo
        self._assigned: dict[ast.AST, dict[str, list[ast.expr]]] = {}

    # What is around a node

    def up(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """Each node around one, with the child that leads to it, innermost first."""
        while node in self.parents:
            parent = self.parents[node]
            yield parent, node
            node = parent

    def scopes(self, node: ast.AST) -> list[ast.AST]:
        """The scopes in which a name that stands at a node is looked up, innermost first."""
        found = [
            parent
            for parent, child in self.up(node)
            if isinstance(parent, _SCOPES) and _inside(parent, child)
        ]
        return [*found, self.tree]

    def function(self, node: ast.AST) -> Function | None:
        """The function that a node is in the body of."""
        for scope in self.scopes(node):
            if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return scope
        return None

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """The class that a node is in."""
        return next((p for p, _ in self.up(node) if isinstance(p, ast.ClassDef)), None)

    def functions(self, node: ast.AST) -> list[Function]:
        """The functions around a node, innermost first."""
        return [
            scope
            for scope in self.scopes(node)
            if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef))
        ]

    def statement(self, node: ast.AST) -> ast.stmt:
        """The statement that a node is part of."""
        if isinstance(node, ast.stmt):
            return node
        return next(parent for parent, _ in self.up(node) if isinstance(parent, ast.stmt))

    # What a name stands for

    def resolve(self, name: str, node: ast.AST) -> tuple[frozenset[str], ast.AST | None]:
        """The dotted names that a name may stand for at a node, and the scope that binds it."""
        for depth, scope in enumerate(self.scopes(node)):
            if isinstance(scope, ast.ClassDef) and depth > 0:
                continue
            bindings = self.source.names.bindings(scope)
            if name in bindings.outer:
                continue
            if name in bindings.imported:
                return bindings.imported[name], scope
            if name in bindings.other:
                return frozenset({LOCAL}), scope
        return frozenset({name}), None

    def dotted(self, node: ast.AST, depth: int = DEPTH) -> frozenset[str]:
        """The full names that an expression may stand for: ``torch.cuda`` for ``t.cuda``.

        Followed are imports under other names, ``getattr`` with a name that is known,
        ``import_module`` and names that were assigned.
        """
        if depth <= 0:
            return frozenset()
        if isinstance(node, ast.Attribute):
            return frozenset(f"{name}.{node.attr}" for name in self.dotted(node.value, depth))
        if isinstance(node, ast.Name):
            names, scope = self.resolve(node.id, node)
            if scope is None or LOCAL not in names:
                return names
            return self._assigned_names(node.id, scope, depth)
        if isinstance(node, ast.Call):
            return self._called_name(node, depth)
        if isinstance(node, ast.IfExp):
            return self.dotted(node.body, depth - 1) | self.dotted(node.orelse, depth - 1)
        return frozenset()

    def _assigned_names(self, name: str, scope: ast.AST, depth: int) -> frozenset[str]:
        found: set[str] = set()
        for value in self.assignments(scope).get(name, []):
            if isinstance(value, (ast.Attribute, ast.Name, ast.Call, ast.IfExp)):
                found |= self.dotted(value, depth - 1)
        return frozenset(found)

    def _called_name(self, call: ast.Call, depth: int) -> frozenset[str]:
        called = self.plain_name(call.func)
        if called == "getattr" and len(call.args) >= 2:
            owners = self.dotted(call.args[0], depth - 1)
            return frozenset(
                f"{owner}.{text}"
                for owner in owners
                for text in self._texts(call.args[1], depth - 1)
            )
        if called in ("importlib.import_module", "import_module", "__import__") and call.args:
            return frozenset(self._texts(call.args[0], depth - 1))
        return frozenset()

    def _texts(self, node: ast.expr, depth: int) -> Iterator[str]:
        from porter.audit.values import texts

        for text in texts(node, self, depth):
            if text.whole:
                yield text.value

    def plain_name(self, node: ast.AST) -> str:
        """A dotted name with its imports resolved, where one look is enough; else empty."""
        if isinstance(node, ast.Attribute):
            base = self.plain_name(node.value)
            return f"{base}.{node.attr}" if base else ""
        if isinstance(node, ast.Name):
            names, _ = self.resolve(node.id, node)
            return min(names - {LOCAL}, default="") if LOCAL not in names else ""
        return ""

    def assignments(self, scope: ast.AST) -> dict[str, list[ast.expr]]:
        """Name -> all that a scope assigns to it, defaults of parameters among it."""
        if scope not in self._assigned:
            self._assigned[scope] = self._collect(scope)
        return self._assigned[scope]

    def _collect(self, scope: ast.AST) -> dict[str, list[ast.expr]]:
        found: dict[str, list[ast.expr]] = {}
        if isinstance(scope, _FUNCTIONS):
            for name, default in _defaults(scope.args):
                found.setdefault(name, []).append(default)
        for node in self._by_scope.get(scope, ()):
            for name, value in _bound(node):
                found.setdefault(name, []).append(value)
        return found

    @cached_property
    def _by_scope(self) -> dict[ast.AST, list[ast.AST]]:
        """Scope -> the nodes of it that assign; those of comprehensions count outside too."""
        found: dict[ast.AST, list[ast.AST]] = {}
        for node in self.nodes:
            if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.For)):
                home = next(s for s in self.scopes(node) if not isinstance(s, _COMPREHENSIONS))
                found.setdefault(home, []).append(node)
            elif isinstance(node, ast.comprehension):
                found.setdefault(self.parents[node], []).append(node)
        return found

    def handed(self, name: str, scope: ast.AST) -> Iterator[ast.expr]:
        """What the calls in this file hand to a parameter."""
        if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        parameters = [a.arg for a in (*scope.args.posonlyargs, *scope.args.args)]
        if name not in parameters and name not in [a.arg for a in scope.args.kwonlyargs]:
            return
        for reference in self.references.get(scope.name, []):
            call = self.parents.get(reference)
            if not isinstance(call, ast.Call) or call.func is not reference:
                continue
            shift = 1 if isinstance(reference, ast.Attribute) else 0
            place = parameters.index(name) - shift if name in parameters else -1
            if 0 <= place < len(call.args):
                yield call.args[place]
            yield from (word.value for word in call.keywords if word.arg == name)

    @cached_property
    def attributes(self) -> dict[tuple[ast.ClassDef, str], list[ast.expr]]:
        """Class and attribute -> what its body assigns to it, or a method by ``self``."""
        found: dict[tuple[ast.ClassDef, str], list[ast.expr]] = {}
        for node in self.nodes:
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                name = ""
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                    name = target.attr if target.value.id in ("self", "cls") else ""
                elif isinstance(target, ast.Name) and isinstance(self.parents[node], ast.ClassDef):
                    name = target.id
                owner = self.class_of(node) if name else None
                if owner is not None:
                    found.setdefault((owner, name), []).append(node.value)
        return found

    @cached_property
    def definitions(self) -> dict[str, list[Function]]:
        """Name -> the functions of that name, methods too."""
        found: dict[str, list[Function]] = {}
        for node in self.nodes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.setdefault(node.name, []).append(node)
        return found

    @cached_property
    def references(self) -> dict[str, list[ast.AST]]:
        """Name -> the places that read it, as a name or as an attribute of ``self``."""
        found: dict[str, list[ast.AST]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.setdefault(node.id, []).append(node)
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in ("self", "cls")
            ):
                found.setdefault(node.attr, []).append(node)
        return found

    # What must hold

    def guards(self, node: ast.AST) -> Iterator[Guard]:
        """What must hold for a node to be reached, innermost first."""
        for parent, child in self.up(node):
            yield from _guards_of(parent, child)
            if isinstance(child, ast.stmt):
                yield from _earlier(parent, child)


def _inside(scope: ast.AST, child: ast.AST) -> bool:
    """Whether a child is in a scope: decorators, defaults and annotations are outside."""
    if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return isinstance(child, ast.stmt) and child in scope.body
    if isinstance(scope, ast.Lambda):
        return child is scope.body
    return True


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    if arguments.defaults:
        for argument, value in zip(positional[-len(arguments.defaults) :], arguments.defaults):
            yield argument.arg, value
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        if default is not None:
            yield argument.arg, default


def _bound(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _paired(target, node.value)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        yield from _paired(node.target, node.value)
    elif isinstance(node, (ast.For, ast.comprehension)) and isinstance(
        node.iter, (ast.Tuple, ast.List, ast.Set)
    ):
        for element in node.iter.elts:
            yield from _paired(node.target, element)


def _paired(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif (
        isinstance(target, (ast.Tuple, ast.List))
        and isinstance(value, (ast.Tuple, ast.List))
        and len(target.elts) == len(value.elts)
    ):
        for one, other in zip(target.elts, value.elts):
            yield from _paired(one, other)


def _guards_of(parent: ast.AST, child: ast.AST) -> Iterator[Guard]:
    if isinstance(parent, (ast.If, ast.While)) and child is not parent.test:
        yield Guard(parent.test, child in parent.body)
    elif isinstance(parent, ast.IfExp) and child is not parent.test:
        yield Guard(parent.test, child is parent.body)
    elif isinstance(parent, ast.BoolOp):
        for earlier in parent.values[: parent.values.index(child)]:  # type: ignore[arg-type]
            yield Guard(earlier, isinstance(parent.op, ast.And))
    elif isinstance(parent, ast.Assert) and child is parent.msg:
        yield Guard(parent.test, False)
    elif isinstance(parent, _COMPREHENSIONS):
        for generator in parent.generators:
            if child is not generator:
                for test in generator.ifs:
                    yield Guard(test)
    elif isinstance(parent, ast.Try) and child in parent.body:
        caught = tuple(name for handler in parent.handlers for name in _caught(handler))
        if caught:
            yield Guard(None, caught=caught)
    elif isinstance(parent, (ast.With, ast.AsyncWith)) and isinstance(child, ast.stmt):
        for item in parent.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("suppress"):
                yield Guard(None, caught=tuple(ast.unparse(arg) for arg in call.args))


def _caught(handler: ast.ExceptHandler) -> list[str]:
    if handler.type is None:
        return ["Exception"]
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [ast.unparse(kind) for kind in kinds]


def _earlier(parent: ast.AST, child: ast.stmt) -> Iterator[Guard]:
    """What the statements before one in its block leave: ``if x: return`` leaves ``not x``."""
    for block in ("body", "orelse", "finalbody"):
        statements = getattr(parent, block, None)
        if isinstance(statements, list) and child in statements:
            for earlier in statements[: statements.index(child)]:
                if isinstance(earlier, ast.If):
                    if leaves(earlier.body):
                        yield Guard(earlier.test, False)
                    if earlier.orelse and leaves(earlier.orelse):
                        yield Guard(earlier.test, True)
                elif isinstance(earlier, ast.Assert):
                    yield Guard(earlier.test, True)


def leaves(body: list[ast.stmt]) -> bool:
    """Whether a block never goes on to what follows it."""
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Continue, ast.Break)):
        return True
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return ast.unparse(last.value.func) in ("sys.exit", "exit", "quit", "os._exit")
    return (
        isinstance(last, ast.If) and bool(last.orelse) and leaves(last.body) and leaves(last.orelse)
    )


def raises(body: list[ast.stmt]) -> bool:
    """Whether a block ends by raising or exiting."""
    last = body[-1] if body else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return ast.unparse(last.value.func) in ("sys.exit", "exit", "quit", "os._exit")
    if isinstance(last, ast.Assert) and isinstance(last.test, ast.Constant):
        return not last.test.value
    return isinstance(last, ast.Raise)
