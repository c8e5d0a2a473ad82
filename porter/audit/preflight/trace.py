"""From the classes a config builds to the operators of mmcv that their code uses.

Read is what a class, its bases and the functions it calls name; branches that the target never
takes are left out, and told apart.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from porter.audit.code import Code, Guard
from porter.audit.facts import Facts
from porter.audit.truth import Truth, speaks_of_device
from porter.errors import PlanError
from porter.find.source import SourceFile
from porter.plan import Tree

_DEFINED = re.compile(rb"^(?:class|def|async def) (\w+)", re.M)
#: ``roi_align = RoIAlignFunction.apply``
_APPLIED = re.compile(rb"^(\w+) = (\w+)\.apply$", re.M)
_REGISTERED = re.compile(
    rb"register_module\(\s*(?:name\s*=\s*)?((?:\[[^\]]*\])|(?:'[^']*'|\"[^\"]*\"))[^)]*\)\s*\n"
    rb"(?:@[^\n]*\n)*class (\w+)"
)
#: ``MODELS.register_module('BN', module=nn.BatchNorm2d)``: a class of PyTorch's own.
_TORCHS = re.compile(rb"register_module\(\s*(?:name=)?['\"](\w+)['\"],\s*module=nn\.")
_OPTIMIZERS = ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "LBFGS", "RMSprop", "SGD")

#: What `batched_nms` chooses by a text, by default.
CHOSEN = {"batched_nms": ("nms",)}


@dataclass(frozen=True)
class Definition:
    """A function or class of a tree."""

    package: str
    path: str
    name: str


@dataclass
class Traced:
    """What a config's classes lead to.

    Attributes:
        ops: Name that `mmcv.ops` exports -> the definitions that use it.
        unused: Likewise, where the target takes another branch.
        unknown: Types of the config that no package here defines.
        words: Names and texts that the code uses, to find what PyTorch lacks there.
    """

    ops: dict[str, set[str]] = field(default_factory=dict)
    unused: dict[str, set[str]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    words: dict[str, set[str]] = field(default_factory=dict)


class Asked:
    """What a config asks for, to rule out branches for what it does not.

    Args:
        config: The config's values.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._texts: set[str] = set()
        self._switched: set[str] = set()
        self._read(config)

    def _read(self, value: Any, key: str = "") -> None:
        if key and value not in (None, False):
            self._switched.add(key)
        if isinstance(value, str):
            self._texts.add(value)
        elif isinstance(value, Mapping):
            for name, entry in value.items():
                self._read(entry, str(name))
        elif isinstance(value, list):
            for entry in value:
                self._read(entry)

    def rules_out(self, guard: Guard, code: Code) -> bool:
        """Whether a branch is for a text or a switch that the config does not have."""
        if guard.test is None or not guard.holds:
            return False
        tests = guard.test.values if isinstance(guard.test, ast.BoolOp) else [guard.test]
        if isinstance(guard.test, ast.BoolOp) and isinstance(guard.test.op, ast.Or):
            return all(self._is_out(test, code) for test in tests)
        return any(self._is_out(test, code) for test in tests)

    def _is_out(self, test: ast.expr, code: Code) -> bool:
        match test:
            case ast.Compare(
                left=left, ops=[ast.Eq()], comparators=[ast.Constant(value=str(text))]
            ):
                if speaks_of_device(left):
                    return False
                return text not in self._texts and text not in _default_texts(code)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name not in self._switched and name in _switches(code)
        return False


def _only_asked(node: ast.AST, code: Code) -> bool:
    """Whether a class is only named to ask for it: ``isinstance(m, CARAFEPack)``."""
    parent = code.parents.get(node)
    while isinstance(parent, ast.Tuple):
        parent = code.parents.get(parent)
    return isinstance(parent, ast.Call) and ast.unparse(parent.func) in ("isinstance", "issubclass")


def _defaults(code: Code) -> Iterator[tuple[str, ast.expr]]:
    for function in (f for found in code.definitions.values() for f in found):
        arguments = function.args
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults)
        for argument, value in [*pairs, *zip(arguments.kwonlyargs, arguments.kw_defaults)]:
            if value is not None:
                yield argument.arg, value


def _default_texts(code: Code) -> set[str]:
    """The texts that are defaults of parameters in a file."""
    return {
        node.value
        for _, value in _defaults(code)
        for node in ast.walk(value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _switches(code: Code) -> set[str]:
    """The parameters that are off by default wherever a file has them."""
    off: dict[str, bool] = {}
    for name, value in _defaults(code):
        is_off = isinstance(value, ast.Constant) and value.value in (False, None)
        off[name] = off.get(name, True) and is_off
    return {name for name, is_off in off.items() if is_off}


class Tracer:
    """Follows definitions through trees.

    Args:
        trees: Package -> its tree, as it would run: ported.
        config: The values of the config, which decide branches.
    """

    def __init__(
        self, trees: Mapping[str, Tree], facts: Facts, config: Mapping[str, Any] | None = None
    ) -> None:
        self.trees, self.facts = trees, facts
        self._asked = Asked(config or {})
        self._code: dict[tuple[str, str], Code | None] = {}
        self._places: dict[str, list[Definition]] = {}
        self._aliases: dict[str, str] = {}
        self._seen: set[tuple[Definition, bool]] = set()
        self._followed: set[str] = set()
        self._of_torch = set(_OPTIMIZERS)
        self.traced = Traced()
        for package, tree in trees.items():
            for path in tree.paths():
                if path.endswith(".py") and "/.mim/" not in path and not path.startswith("tests/"):
                    self._index(package, path, tree.read(path))

    def _index(self, package: str, path: str, data: bytes) -> None:
        for name in _DEFINED.findall(data):
            place = Definition(package, path, name.decode())
            self._places.setdefault(place.name, []).append(place)
        for name, function in _APPLIED.findall(data):
            place = Definition(package, path, function.decode())
            self._places.setdefault(name.decode(), []).append(place)
        self._of_torch.update(name.decode() for name in _TORCHS.findall(data))
        if b"register_module(" in data:
            for names, cls in _REGISTERED.findall(data):
                for name in re.findall(rb"['\"](\w+)['\"]", names):
                    self._aliases[name.decode()] = cls.decode()

    def follow(self, types: Iterable[str]) -> Traced:
        """Everything that the classes of these types lead to."""
        for name in sorted(set(types)):
            self._follow(name, f"type {name}")
        return self.traced

    def _follow(self, name: str, user: str) -> None:
        if name not in self._followed:
            self._followed.add(name)
            places = self._places.get(self._aliases.get(name, name), [])
            if not places and name not in self._of_torch:
                self.traced.unknown.add(name)
            for place in places:
                if _is_op(place):
                    self._note(place.name, user, False)
                else:
                    self._walk(place)

    def _note(self, op: str, user: str, dead: bool) -> None:
        for name in (op, *CHOSEN.get(op, ())):
            noted = self.traced.unused if dead else self.traced.ops
            noted.setdefault(name, set()).add(user)

    def _walk(self, place: Definition, unreached: bool = False) -> None:
        """Note what a definition uses; all of it is unused where the target never gets there."""
        if (place, unreached) in self._seen:
            return
        self._seen.add((place, unreached))
        code = self.code(place.package, place.path)
        node = definition_of(code, place.name) if code else None
        if code is None or node is None:
            return
        truth = Truth(code, self.facts)
        user = f"{place.name} ({place.path})"
        for inner in ast.walk(node):
            self._note_word(inner, user)
            if isinstance(inner, ast.keyword) and inner.arg == "type" and not unreached:
                self._follow_built(inner, user, code)
            if not isinstance(inner, ast.Name) or not isinstance(inner.ctx, ast.Load):
                continue
            guards = list(code.guards(inner))
            if _only_asked(inner, code) or any(self._asked.rules_out(g, code) for g in guards):
                continue
            dead = unreached or any(truth.is_dead(guard) for guard in guards)
            for origin in self.origins(inner, code, place):
                if _is_op(origin):
                    self._note(origin.name, user, dead)
                else:
                    self._walk(origin, dead)

    def _follow_built(self, node: ast.keyword, user: str, code: Code) -> None:
        """``dict(type='DCNv2')`` in code: a class that it has built."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            name = node.value.value
            if any(self._asked.rules_out(guard, code) for guard in code.guards(node)):
                return
            if self._aliases.get(name, name) in self._places:
                self._follow(name, user)

    def _note_word(self, node: ast.AST, user: str) -> None:
        word = ""
        if isinstance(node, ast.Attribute):
            word = node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            word = node.value if len(node.value) < 40 else ""
        if word:
            self.traced.words.setdefault(word, set()).add(user)

    def origins(self, node: ast.Name, code: Code, here: Definition) -> Iterator[Definition]:
        """The definitions that a name may stand for: in this file, or where it is imported from."""
        names, scope = code.resolve(node.id, node)
        if scope is None:
            return
        for full in names:
            if full.startswith("<"):
                if scope is not code.tree:
                    continue
                if definition_of(code, node.id) is not None:
                    yield Definition(here.package, here.path, node.id)
                for value in code.assignments(scope).get(node.id, []):
                    # ``roi_align = RoIAlignFunction.apply``
                    for inner in ast.walk(value):
                        if isinstance(inner, ast.Name) and inner.id != node.id:
                            yield from self.origins(inner, code, here)
            elif full.split(".")[0] in self.trees and not full.startswith("mmengine."):
                yield from self._defined(full)

    def _defined(self, full: str) -> Iterator[Definition]:
        """Where a name is defined that is imported from a package: the nearest path first."""
        module, _, name = full.rpartition(".")
        found = [p for p in self._places.get(name, []) if p.package == full.split(".")[0]]
        folder = module.replace(".", "/")
        exact = [p for p in found if p.path in (f"{folder}.py", f"{folder}/__init__.py")]
        below = [p for p in found if p.path.startswith(f"{folder}/")]
        yield from exact or below

    def code(self, package: str, path: str) -> Code | None:
        """A parsed file; None if it is no Python."""
        if (package, path) not in self._code:
            source = SourceFile(path, self.trees[package].read(path))
            try:
                self._code[package, path] = Code(source)
            except PlanError:
                self._code[package, path] = None
        return self._code[package, path]

    def op_places(self, name: str) -> list[Definition]:
        """The definitions of what `mmcv.ops` exports under a name."""
        return [place for place in self._places.get(name, []) if _is_op(place)]


def definition_of(code: Code, name: str) -> ast.AST | None:
    """A function or class at the top of a file, even if it is defined under a condition."""
    for node in code.nodes:
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            and node.name == name
            and not code.functions(node)
            and code.class_of(node) is None
        ):
            return node
    return None


def _is_op(place: Definition) -> bool:
    return place.package == "mmcv" and place.path.startswith("mmcv/ops/")
