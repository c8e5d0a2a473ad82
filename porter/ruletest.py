"""A rule's cases, run: the one harness behind ``porter rules test`` and the test suite."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from porter.errors import PlanError, RuleFileError
from porter.find import SourceFile, bound, find_in_python, find_in_text, words_for_bodies
from porter.model import Case, Edit, Operation, Rule, Target
from porter.plan.paths import select
from porter.plan.selection import fits, trait_reason
from porter.plan.splice import splice
from porter.rulebook.operations import AddFile

#: Cases are written for this target unless they say otherwise.
USUAL_TARGET = "sdaa"


@dataclass(frozen=True)
class CaseResult:
    """How a case went.

    Attributes:
        message: What is wrong; empty if nothing is.
        got: What the rule made of the case's ``before``.
        wanted: What the case says it makes.
    """

    rule: str
    case: str
    target: str
    ok: bool
    message: str = ""
    got: str = ""
    wanted: str = ""


def run_cases(rules: Sequence[Rule], targets: Mapping[str, Target]) -> list[CaseResult]:
    """The result of every case of every rule.

    Args:
        targets: All targets by name; a case is filled with the values of one.
    """
    return [run_case(rule, case, targets) for rule in rules for case in rule.cases]


def run_case(rule: Rule, case: Case, targets: Mapping[str, Target]) -> CaseResult:
    """The result of one case: its after, then that a second application changes nothing."""
    name = case.target or _usual_target(rule, targets)
    result = CaseResult(rule.id, case.name, name, False)
    if name not in targets:
        return replace(result, message=f"there is no target {name!r}")
    wanted = case.before if case.after is None else case.after
    operations = list(_operations(rule, case, targets[name]))
    path = case.file or _own_file(rule)
    try:
        got = _applied(operations, path, case.before)
        message = _judge(case, operations, path, got, wanted)
    except (PlanError, RuleFileError) as problem:
        return replace(result, message=str(problem), wanted=wanted)
    return replace(result, ok=not message, message=message, got=got, wanted=wanted)


def _usual_target(rule: Rule, targets: Mapping[str, Target]) -> str:
    """A target that needs the rule: the usual one, or the first that has its traits."""

    names = [USUAL_TARGET, *sorted(targets)]
    fitting = (name for name in names if name in targets and not trait_reason(rule, targets[name]))
    return next(fitting, USUAL_TARGET)


def _made_in(operation: Operation, rule: Rule, case: Case) -> bool:
    """Whether an operation is made in the version that a case is about, if it is about one."""
    wanted = operation.requires.get(rule.packages[0])
    return not case.version or wanted is None or fits(case.version, wanted)


def _own_file(rule: Rule) -> str:
    """The file that a case stands for if it names none."""
    names = [*rule.files, *(name for op in rule.operations for name in op.files)]
    return _as_path(names[0]) if names else "code.py"


def _as_path(glob: str) -> str:
    """A path that a glob names."""
    return glob.replace("**/", "").replace("*", "code")


def _operations(rule: Rule, case: Case, target: Target) -> Iterator[Operation]:
    """The operations that look at the case's file."""
    path = case.file or _own_file(rule)
    for operation in rule.operations:
        files = operation.files or rule.files
        looks_at = path in map(_as_path, files) or select(files, [path], rule.packages[0])
        edits = looks_at and not isinstance(operation, AddFile)
        if edits and _made_in(operation, rule, case):
            yield bound(operation, dict(target.variables))


def _applied(operations: Sequence[Operation], path: str, text: str) -> str:
    data = text.encode("utf-8")
    edits: list[Edit] = []
    if path.endswith(".py"):
        source = SourceFile(path, data, words_for_bodies(operations, data))
        founds = [found for op in operations for found in find_in_python(op, source)]
    else:
        founds = [found for op in operations for found in find_in_text(op, data)]
    for found in founds:
        edits += [
            Edit("", path, change.start, change.end, change.new.encode("utf-8"), "")
            for change in found.changes
        ]
    try:
        return splice(data, edits).decode("utf-8")
    except ValueError as problem:
        raise PlanError([f"the rule's own edits overlap: {problem}"]) from problem


def _judge(case: Case, operations: Sequence[Operation], path: str, got: str, wanted: str) -> str:
    """What is wrong with a case's outcome; empty if nothing is."""
    if got.rstrip("\n") != wanted.rstrip("\n"):
        return "changed, though it must not" if case.after is None else "the outcome differs"
    if path.endswith(".py"):
        problem = _python_problem(case.before, got)
        if problem:
            return problem
    if case.after is not None and _applied(operations, path, got) != got:
        return "a second application changes it again"
    return ""


def _python_problem(before: str, after: str) -> str:
    try:
        compile(after, "<case>", "exec", dont_inherit=True, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as problem:
        if "outside function" not in str(problem) and "outside loop" not in str(problem):
            return f"the outcome does not compile: {problem}"
    lost = comments(before) - comments(after)
    return f"a comment is lost: {next(iter(lost))}" if lost else ""


def comments(code: str) -> Counter[str]:
    """The comments of some Python code, with how often each occurs."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return Counter(token.string for token in tokens if token.type == tokenize.COMMENT)
