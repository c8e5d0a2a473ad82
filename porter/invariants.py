"""What no port may do to a file, as functions that tell what is wrong. Pure: bytes in, words out.

They run on every plan before it is kept or written, so they look closely only at what differs:
top-level statements whose text is the same on both sides are not walked.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from porter import forked
from porter.model import Edit, Rule
from porter.plan.splice import splice
from porter.plan.workers import WORTH_FORKING
from porter.rulebook.operations import DeferImport, ReplaceBody

#: Invariant -> what it promises, in the order in which they are told.
FILE_INVARIANTS: Mapping[str, str] = {
    "compiles": "every changed Python file compiles",
    "duplicates": "no definition appears twice",
    "parameters": "no parameter, *args or **kwargs is lost",
    "names": "public names are still there",
    "vendors": "npu, mlu and musa branches are unchanged",
    "docstrings": "docstrings are unchanged, unless an edit says so",
    "comments": "comments are unchanged, unless an edit says so",
    "urls": "URLs are unchanged, unless an edit says so",
}

#: Words of other vendors that upstream has and a port must keep, the device type by the word.
_VENDORS = {
    "npu": "npu", "hccl": "npu", "mlu": "mlu", "cncl": "mlu", "musa": "musa", "mccl": "musa",
    "dipu": "dipu",
}  # fmt: skip
_VENDOR = re.compile(rf"(?<![a-z])(?:{'|'.join(_VENDORS)})(?![a-z])", re.IGNORECASE)
_UNPACKED = re.compile(r"[(,]\s*(\*\*?[^,)\n]*)")
_TEST = re.compile(rf"\bif\b[^\n]*(?:{_VENDOR.pattern})", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s'\"\\>)]*[^\s'\"\\>).,;:]")

Problem = tuple[str, str]
"""An invariant's name, and what breaks it."""


@dataclass(frozen=True)
class Said:
    """What the edits of a file say outright, so that they may change it.

    Attributes:
        texts: The code and text that the operations look for.
        spans: Pristine bytes that an operation replaces whole, known by their digest.
        deferred: Names whose top-level import an operation moves into their users.
        device: The target's own device type, whose branches the port may touch.
    """

    texts: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    deferred: frozenset[str] = frozenset()
    device: str = ""

    def covers(self, text: str, places: Iterable[int]) -> bool:
        """Whether an edit names a text, or replaces every place where it stood."""
        places = list(places)
        inside = [any(start <= place < end for start, end in self.spans) for place in places]
        return text in self.texts or (bool(places) and all(inside))


@dataclass(frozen=True)
class Part:
    """A top-level statement and its text."""

    node: ast.stmt
    text: str


@dataclass(frozen=True)
class Violation:
    """A promise that a file of a port breaks.

    Attributes:
        rules: The rules behind it; all that edit the file, where it takes several.
    """

    invariant: str
    package: str
    path: str
    message: str
    rules: tuple[str, ...] = ()

    def __str__(self) -> str:
        rules = ", ".join(self.rules)
        return f"{self.package}: {self.path}: {self.message} (rules: {rules})"


@dataclass(frozen=True)
class ChangedFile:
    """One file of a port.

    Attributes:
        before: None for a file that the port adds.
        edits: What makes ``after`` of ``before``.
    """

    package: str
    path: str
    before: bytes | None
    after: bytes
    edits: tuple[Edit, ...] = field(default=())


def violations(
    files: Iterable[ChangedFile], rules: Sequence[Rule], device: str = ""
) -> list[Violation]:
    """Every promise that the files of a port break, each with the rules behind it.

    Args:
        rules: The catalog, for what the edits' operations say.
        device: The target's device type.
    """
    catalog = {rule.id: rule for rule in rules}
    found: list[Violation] = []
    for file in files:
        if file.before is None:
            continue
        said = said_by(file.edits, catalog, device)
        for invariant, message in problems(file.path, file.before, file.after, said):
            guilty = _guilty(file, catalog, device, (invariant, message))
            found.append(Violation(invariant, file.package, file.path, message, guilty))
    return found


def violations_at_once(
    files: Sequence[ChangedFile], rules: Sequence[Rule], device: str = ""
) -> list[Violation]:
    """The same, by one process a processor where there is much to look at and one can fork."""
    count = forked.processes()
    if count == 1 or len(files) < WORTH_FORKING:
        return violations(files, rules, device)
    parts = [files[start::count] for start in range(count)]
    found = forked.each(lambda part: violations(part, rules, device), parts, few=2)
    return sorted((one for part in found for one in part), key=lambda one: (one.package, one.path))


def said_by(edits: Iterable[Edit], catalog: Mapping[str, Rule], device: str = "") -> Said:
    """What the operations behind some edits of one file say."""
    texts: dict[str, None] = {}
    spans: list[tuple[int, int]] = []
    deferred: set[str] = set()
    for edit in edits:
        rule = catalog.get(edit.rule)
        if rule is None or edit.operation >= len(rule.operations):
            continue
        operation = rule.operations[edit.operation]
        if isinstance(operation, ReplaceBody):
            spans.append((edit.start, edit.end))
        if isinstance(operation, DeferImport):
            deferred.add(operation.name)
        for part in fields(operation):
            if part.metadata.get("role") in ("pattern", "text"):
                texts[str(getattr(operation, part.name))] = None
    return Said("\n".join(texts), tuple(spans), frozenset(deferred), device)


def problems(path: str, before: bytes, after: bytes, said: Said | None = None) -> Iterator[Problem]:
    """Everything that is wrong with one ported file."""
    said = said or Said()
    old, new = _text(before), _text(after)
    if path.endswith(".py"):
        yield from _python_problems(before, after, old, new, said)
    yield from (
        ("urls", f"lost a URL: {url}")
        for url in Counter(_URL.findall(old)) - Counter(_URL.findall(new))
        if not said.covers(url, _places(url, old))
    )


def _python_problems(
    before: bytes, after: bytes, old: str, new: str, said: Said
) -> Iterator[Problem]:
    pristine = _parsed(before)
    if pristine is None:
        return  # upstream's own code of another Python: there is nothing to compare with
    tree = _parsed(after)
    if tree is None:
        yield "compiles", "does not compile"
        return
    parts = _differing(pristine, old, tree, new)
    yield from _definition_problems(pristine, tree, *parts, said)
    yield from (("vendors", p) for p in _vendor_problems(old, new, *parts, said))
    yield from (("comments", p) for p in _comment_problems(before, after, old, new, said))


def _definition_problems(
    pristine: ast.Module,
    tree: ast.Module,
    old_parts: Sequence[Part],
    new_parts: Sequence[Part],
    said: Said,
) -> Iterator[Problem]:
    old, new = [part.node for part in old_parts], [part.node for part in new_parts]
    for name in sorted(_duplicates(tree, new) - _duplicates(pristine, old)):
        yield "duplicates", f"defined twice: {name}"
    for name in (parameters(old) - parameters(new)).elements():
        yield "parameters", f"lost a parameter: {name}"
    # What is written with a star and is still there need not be looked at as code.
    if _written_stars(old_parts) - _written_stars(new_parts):
        for text in (_stars(old_parts) - _stars(new_parts)).elements():
            yield "parameters", f"lost an unpacked argument: {text}"
    for name in sorted(public(old) - public(tree.body) - said.deferred):
        yield "names", f"lost a name: {name}"
    for name, docstring in changed_docstrings(pristine, tree, old, new):
        if not said.covers(docstring, ()):
            yield "docstrings", f"changed a docstring of {name}"


def _guilty(
    file: ChangedFile, catalog: Mapping[str, Rule], device: str, problem: Problem
) -> tuple[str, ...]:
    """The rules each of which breaks the promise alone; all that edit the file if none does."""
    everyone = tuple(sorted({edit.rule for edit in file.edits}))
    before = file.before or b""
    alone = []
    for rule in everyone:
        edits = [edit for edit in file.edits if edit.rule == rule]
        said = said_by(edits, catalog, device)
        if problem in problems(file.path, before, splice(before, edits), said):
            alone.append(rule)
    return tuple(alone) or everyone


# The parts of a file that differ


def _differing(
    pristine: ast.Module, old: str, tree: ast.Module, new: str
) -> tuple[list[Part], list[Part]]:
    """The top-level statements of each side that the other has not word for word."""
    old_texts, new_texts = _segments(pristine, old), _segments(tree, new)
    same = Counter(old_texts) & Counter(new_texts)
    return _without(pristine.body, old_texts, same), _without(tree.body, new_texts, same)


def _segments(tree: ast.Module, text: str) -> list[str]:
    lines = text.split("\n")
    return ["\n".join(lines[_first_line(node) - 1 : node.end_lineno]) for node in tree.body]


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _without(body: Sequence[ast.stmt], texts: Sequence[str], same: Counter[str]) -> list[Part]:
    left = Counter(same)
    parts = []
    for node, text in zip(body, texts, strict=True):
        if left[text]:
            left[text] -= 1
        else:
            parts.append(Part(node, text))
    return parts


# What a file defines


def definitions(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """Every function and class with its qualified name, those under ``if`` and ``try`` too."""

    def inside(body: Sequence[ast.AST], prefix: str) -> Iterator[tuple[str, ast.AST]]:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield prefix + node.name, node
                yield from inside(node.body, f"{prefix}{node.name}.")

    return inside(body, "")


def _duplicates(tree: ast.Module, parts: Sequence[ast.stmt]) -> set[str]:
    """Names that are defined more than once in one scope, properties and overloads aside."""
    counts: Counter[str] = Counter()
    for name, node in (*_top_level(tree), *_inner(parts)):
        if not getattr(node, "decorator_list", []):
            counts[name] += 1
    return {name for name, count in counts.items() if count > 1}


def _top_level(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return ((node.name, node) for node in tree.body if isinstance(node, kinds))


def _inner(parts: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    return ((name, node) for name, node in definitions(parts) if "." in name)


def public(body: Sequence[ast.stmt]) -> set[str]:
    """Names that others may import, bound at module level, and what classes define."""
    found: set[str] = set()
    for node in _statements(body):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if getattr(node, "module", "") != "typing":
                found |= {a.asname or a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {node.name, *(f"{node.name}.{name}" for name in public(node.body))}
        else:
            found |= set(_stored(node))
    return found


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the body does, within ``if``, ``try`` and ``with`` too."""
    for node in body:
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for name in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, name, []))
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body)


def _stored(node: ast.stmt) -> Iterator[str]:
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    for target in targets:
        for part in ast.walk(target) if target is not None else ():
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


def parameters(body: Sequence[ast.stmt]) -> Counter[str]:
    """Every function's parameters by qualified name; stars are shown."""
    found: Counter[str] = Counter()
    for name, node in definitions(body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = node.args
            plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            shown = [argument.arg for argument in plain]
            shown += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
            shown += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
            found.update(f"{name}({argument})" for argument in shown)
    return found


def _written_stars(parts: Sequence[Part]) -> Counter[str]:
    return Counter(text for part in parts for text in _UNPACKED.findall(part.text))


def _stars(parts: Sequence[Part]) -> Counter[str]:
    """Unpacked arguments of calls, ``*args`` and ``**kwargs``; ``*args[0]`` counts as ``*args``."""
    found: Counter[str] = Counter()
    for part in parts:
        for node in ast.walk(part.node) if _UNPACKED.search(part.text) else ():
            if isinstance(node, ast.Call):
                stars = (a.value for a in node.args if isinstance(a, ast.Starred))
                found.update(f"*{_whole(value)}" for value in stars)
                found.update(f"**{_whole(k.value)}" for k in node.keywords if k.arg is None)
    return found


def _whole(value: ast.expr) -> str:
    """What is unpacked, without the index that picks a part of it."""
    return ast.unparse(value.value if isinstance(value, ast.Subscript) else value)


def changed_docstrings(
    before: ast.Module,
    after: ast.Module,
    old_parts: Sequence[ast.stmt],
    new_parts: Sequence[ast.stmt],
) -> Iterator[tuple[str, str]]:
    """Definitions that lost their docstring or have another one, each with the old one."""
    new = {name: _docstring(node) for name, node in definitions(new_parts)}
    old = {name: _docstring(node) for name, node in definitions(old_parts)}
    if _docstring(before) != _docstring(after):
        yield "the module", _docstring(before)
    for name, text in old.items():
        if name in new and new[name] != text:
            yield name, text


def _docstring(node: ast.AST) -> str:
    return ast.get_docstring(node, clean=False) or ""  # type: ignore[arg-type]


# Other vendors' code, and what is said beside the code


def _vendor_problems(
    old: str, new: str, old_parts: Sequence[Part], new_parts: Sequence[Part], said: Said
) -> Iterator[str]:
    if not _VENDOR.search(old):
        return
    lost = Counter(_VENDOR.findall(old)) - Counter(_VENDOR.findall(new))
    for word in lost:
        if not said.covers(word, _places(word, old)):
            yield f"lost a vendor's word: {word}"
    present = list(_branches(new_parts))
    for test, body in _branches(old_parts):
        vendors = {_VENDORS[word.lower()] for word in _VENDOR.findall(test)}
        kept = any(test in other and body == kept_body for other, kept_body in present)
        if said.device not in vendors and not kept:
            yield f"changed a vendor's branch: if {test}"


def _branches(parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """Test and body of every branch whose test names a vendor."""
    for part in parts:
        for node in ast.walk(part.node) if _TEST.search(part.text) else ():
            if isinstance(node, ast.If):
                test = ast.unparse(node.test)
                if _VENDOR.search(test):
                    yield test, "\n".join(map(ast.unparse, node.body))


def _comment_problems(before: bytes, after: bytes, old: str, new: str, said: Said) -> Iterator[str]:
    # A comment cannot go without its line: reading tokens takes as long as all the rest.
    lines = [Counter(line for line in text.split("\n") if "#" in line) for text in (old, new)]
    if not lines[0] - lines[1]:
        return
    lost = comments(before) - comments(after)
    for comment in lost:
        if not said.covers(comment, _places(comment, old)):
            yield f"lost a comment: {comment}"


def comments(code: bytes) -> Counter[str]:
    """The comments of some Python code, with how often each occurs."""
    tokens = tokenize.tokenize(io.BytesIO(code).readline)
    return Counter(token.string for token in tokens if token.type == tokenize.COMMENT)


def _places(text: str, whole: str) -> Iterator[int]:
    """Byte offsets of a text."""
    start = whole.find(text)
    while start >= 0:
        yield len(whole[:start].encode("utf-8", "surrogateescape"))
        start = whole.find(text, start + 1)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _parsed(data: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # upstream's odd escapes are not what is asked here
            return ast.parse(data)
    except (SyntaxError, ValueError):
        return None
