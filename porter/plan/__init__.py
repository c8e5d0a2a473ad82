"""Select, find, check: what a target's rules make of pristine trees. Nothing is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from porter.errors import PlanError
from porter.model import PROJECT, Edit, NewFile, Operation, Plan, Rule, Skip, Target
from porter.plan.paths import placed, select
from porter.plan.selection import fits, select_rules
from porter.plan.splice import ordered, settle
from porter.rulebook.operations import AddFile, Substitute

if TYPE_CHECKING:
    from porter.plan.workers import FileResult


_NOTHING = "the project has nothing that it is for"


class Tree(Protocol):
    """What a plan needs of a tree: see ``porter.source.tree``."""

    @property
    def package(self) -> str: ...
    @property
    def version(self) -> str: ...
    def paths(self) -> Sequence[str]: ...
    def read(self, path: str) -> bytes: ...


@dataclass(frozen=True)
class Task:
    """One operation of one rule on one package, with the files it looks at."""

    rule: Rule
    package: str
    number: int
    operation: Operation
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        """How messages call it."""
        kind = getattr(self.operation, "kind", "")
        return f"rule {self.rule.id}, edit {self.number + 1} ({kind})"


@dataclass
class Findings:
    """What the tasks found: edits by task, and what went wrong."""

    edits: dict[int, list[Edit]] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def make_plan(
    rules: Sequence[Rule],
    target: Target,
    trees: Mapping[str, Tree],
    *,
    only: Iterable[str] = (),
    without: Iterable[str] = (),
    jobs: int | None = None,
) -> Plan:
    """The edits that port pristine trees to a target.

    Args:
        trees: Package -> its pristine tree.
        only: Ids of the rules to make; all that the target needs if there are none.
        without: Ids of rules to leave out.
        jobs: Processes to use; by default as many as there are processors.

    Raises:
        PlanError: With every failure there is: expectations missed, files that do not
            parse, rules in conflict.
        UsageError: If ``only`` or ``without`` names no rule.
        UnsupportedVersion: If no rule is written for a package's version.
    """
    versions = {name: tree.version for name, tree in trees.items()}
    selected, skips = select_rules(rules, target, versions, only, without)
    selected, absent = with_files(selected, trees)
    skips += absent
    tasks = list(tasks_for(selected, target, trees))
    findings = search(tasks, trees, jobs)
    new_files = added_files(tasks, trees, findings)
    findings.failures += missed(tasks, trees, findings)
    edits, conflicts = settle(
        [edit for found in findings.edits.values() for edit in found],
        {rule.id: rule.overrides for rule, _ in selected},
    )
    findings.failures += [_conflict(left, right) for left, right in conflicts]
    if findings.failures:
        raise PlanError(_unique(findings.failures), hint="Nothing was written.")
    made = {edit.rule for edit in edits} | {new.rule for new in new_files}
    skips += [Skip(r.id, p, _NOTHING) for r, p in selected if p == PROJECT and r.id not in made]
    return Plan(
        target=target.name,
        target_digest=target.digest,
        versions=dict(sorted(versions.items())),
        edits=tuple(ordered(edits)),
        new_files=tuple(sorted(new_files, key=lambda new: (new.package, new.path))),
        skips=tuple(sorted(skips, key=lambda skip: (skip.rule, skip.package))),
        rule_digests={rule.id: rule.digest for rule, _ in selected if rule.id in made},
    )


def with_files(
    selected: Sequence[tuple[Rule, str]], trees: Mapping[str, Tree]
) -> tuple[list[tuple[Rule, str]], list[Skip]]:
    """Set aside the rules that may find no file to edit in a tree, and find none."""
    present: list[tuple[Rule, str]] = []
    absent: list[Skip] = []
    for rule, package in selected:
        names = {*rule.files, *(name for operation in rule.operations for name in operation.files)}
        if rule.where_present and not select(names, trees[package].paths(), package):
            listed = ", ".join(sorted(names))
            absent.append(Skip(rule.id, package, f"there is no {listed}"))
        else:
            present.append((rule, package))
    return present, absent


def tasks_for(
    selected: Sequence[tuple[Rule, str]], target: Target, trees: Mapping[str, Tree]
) -> Iterator[Task]:
    """The operations of selected rules that are made in the trees' versions.

    Args:
        selected: Rules, each with the package to make it on.
    """
    from porter.find import bound

    versions = {name: tree.version for name, tree in trees.items()}
    for rule, package in selected:
        for number, operation in enumerate(rule.operations):
            if all(
                name in versions and fits(versions[name], wanted)
                for name, wanted in operation.requires.items()
            ):
                adds = isinstance(operation, AddFile)
                sought = () if adds else operation.files or rule.files
                files = select(sought, trees[package].paths(), package)
                filled = bound(operation, dict(target.variables))
                yield Task(rule, package, number, filled, tuple(files))


def search(tasks: Sequence[Task], trees: Mapping[str, Tree], jobs: int | None = None) -> Findings:
    """Run every task over its files, each file parsed once.

    Args:
        jobs: Processes to use; see ``make_plan``.
    """
    from porter.plan.workers import run_files

    by_file: dict[tuple[str, str], list[int]] = {}
    for index, task in enumerate(tasks):
        for path in task.files:
            by_file.setdefault((task.package, path), []).append(index)
    work = []
    for (package, path), indexes in sorted(by_file.items()):
        data = trees[package].read(path)
        wanted = [index for index in indexes if may_match(tasks[index].operation, path, data)]
        if wanted:
            work.append((path, data, tuple(wanted), package))
    findings = Findings()
    operations = [task.operation for task in tasks]
    for (_, _, _, package), result in zip(work, run_files(operations, work, jobs)):
        _gather(result, package, tasks, findings)
    return findings


def may_match(operation: Operation, path: str, data: bytes) -> bool:
    """A test that costs little: the file's kind, and the words a match must have."""
    from porter.find import words

    if isinstance(operation, Substitute):
        return operation.find.encode("utf-8") in data
    return path.endswith(".py") and all(word in data for word in words(operation))


def _gather(result: FileResult, package: str, tasks: Sequence[Task], findings: Findings) -> None:
    path, found_by_task, failures = result
    for failed, message in failures:
        findings.failures.append(message if failed is None else f"{tasks[failed].name}: {message}")
    for index, found in found_by_task:
        rule = tasks[index].rule.id
        findings.places[index] = findings.places.get(index, 0) + len(found)
        edits = findings.edits.setdefault(index, [])
        for change in (change for place in found for change in place.changes):
            new = change.new.encode("utf-8")
            number = tasks[index].number
            edits.append(Edit(package, path, change.start, change.end, new, rule, number))


def added_files(
    tasks: Sequence[Task], trees: Mapping[str, Tree], findings: Findings
) -> list[NewFile]:
    """The files that tasks add; each counts as a place, and one that is there as a failure."""
    made: list[NewFile] = []
    for index, task in enumerate(tasks):
        if isinstance(task.operation, AddFile):
            paths = trees[task.package].paths()
            path = placed(task.operation.path, paths, task.package)
            findings.places[index] = 1
            if path in paths:
                findings.failures.append(f"{task.name}: {path} is there already")
            made.append(
                NewFile(task.package, path, task.operation.content.encode("utf-8"), task.rule.id)
            )
    return made


def missed(tasks: Sequence[Task], trees: Mapping[str, Tree], findings: Findings) -> Iterator[str]:
    """A message for every expectation that does not hold, and every rule without effect."""
    # Where a search failed, a count says nothing. Asked now: what is yielded joins the failures.
    searched = not findings.failures
    broken: set[tuple[str, str]] = set()
    totals: dict[tuple[str, str], int] = {}
    for index, task in enumerate(tasks):
        count = findings.places.get(index, 0)
        made_on = task.rule.id, task.package
        totals[made_on] = totals.get(made_on, 0) + count
        if not task.operation.expect.holds(count):
            broken.add(made_on)
            yield _expectation(task, count, trees)
    for (rule, package), total in totals.items():
        if searched and not total and (rule, package) not in broken and package != PROJECT:
            yield f"rule {rule} would change nothing in {package}"


def _expectation(task: Task, count: int, trees: Mapping[str, Tree]) -> str:
    from porter.find import searched_text
    from porter.find.nearmiss import nearest_line

    where = ", ".join(task.files) if len(task.files) <= 3 else f"{len(task.files)} files"
    if not task.files:
        patterns = ", ".join(task.operation.files or task.rule.files)
        return f"{task.name}: {task.package} has no file {patterns}"
    message = f"{task.name}: {where}: expected {task.operation.expect} match, found {count}"
    tree = trees[task.package]
    wanted = searched_text(task.operation)
    near = nearest_line(wanted, ((path, tree.read(path)) for path in task.files))
    looked_for = next((line for line in wanted.strip().splitlines()), "")
    message += f"\n    looked for: {looked_for}" if looked_for else ""
    return message + (f"\n    nearest:    {near}" if near else "")


def _conflict(left: Edit, right: Edit) -> str:
    return (
        f"{left.path}: rules {left.rule} and {right.rule} edit the same code"
        f" (bytes {right.start} to {min(left.end, right.end)})"
    )


def _unique(messages: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(re.sub(r"[ \t]+\n", "\n", message) for message in messages))
