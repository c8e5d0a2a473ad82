"""The table of contents of an audit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from porter import forked
from porter.audit.facts import RELIEF, Facts, edited_lines, facts_of
from porter.audit.files import Looked, Work, is_of_interest, look
from porter.audit.model import CLASSES, Finding, Report
from porter.audit.remedies import mended, plan_of, touched
from porter.audit.stages import ORDER
from porter.audit.suppress import Comment, Entry, accept, shipped_entries
from porter.audit.trees import Audited, open_trees
from porter.manifest import FileRecord
from porter.model import PROJECT, Edit, Rule, Target
from porter.port.pristine import pristine_trees

#: mmengine is imported before mmcv, and mmcv before mmdet.
_PACKAGES = ("mmengine", "mmcv", "mmdet")
_CLASS_ORDER = {cls: number for number, cls in enumerate(CLASSES)}
_WORTH_FORKING = 12


@dataclass(frozen=True)
class AuditRequest:
    """What is asked of an audit.

    Attributes:
        root: A vendor folder, ``site-packages``, a checkout, or any folder of sources.
        packages: The packages to look at; all there are if empty.
        entries: What the user's files accept.
        kinds: The kinds to tell of; all if empty.
        link: Whether to say which rule would mend a finding, which takes a plan.
    """

    target: Target
    rules: tuple[Rule, ...]
    root: Path
    packages: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    kinds: tuple[str, ...] = ()
    link: bool = True


def audit(request: AuditRequest) -> Report:
    """Find what in a folder still needs CUDA, and say whether that matters.

    Raises:
        TreeStateError: The folder is not there, or its manifest cannot be read.
        UsageError: A package that is asked for is not in it.
    """
    started = time.perf_counter()
    audited = open_trees(request.root, request.packages)
    manifest = audited.manifest
    trees = audited.trees
    facts = facts_of(
        request.target, request.rules, manifest, "mmengine" in trees, trees.get("mmcv")
    )
    notes: list[str] = []
    if manifest is not None and manifest.target != request.target.name:
        notes.append(f"the tree is ported to {manifest.target}, and audited for {facts.target}")
    works = list(_works(audited, facts))
    looked = _look_all(works, facts)
    for work, result in zip(works, looked):
        if result.problem:
            notes.append(f"{work.shown} was left out: {result.problem.splitlines()[0]}")
    findings = list(_linked(request, audited, facts, works, looked, notes))
    findings += _ported_away(audited, facts)
    found = [comment for result in looked for comment in result.comments]
    return _report(request, audited, findings, found, notes, len(works), started)


def _works(audited: Audited, facts: Facts) -> Iterator[Work]:
    records = audited.manifest.by_location if audited.manifest else {}
    for package, tree in audited.trees.items():
        paths = tree.paths()
        guarded = _guards_its_build(tree.read("setup.py") if "setup.py" in paths else b"")
        for path in paths:
            if not _may_matter(path):
                continue
            data = tree.read(path)
            if is_of_interest(path, data, facts):
                shown = audited.shown(package, path)
                yield Work(package, path, shown, data, edited_lines(records.get(shown)), guarded)


def _may_matter(path: str) -> bool:
    return "egg-info/" not in path and "node_modules/" not in path


def _guards_its_build(setup: bytes) -> bool:
    """Whether a package compiles CUDA sources only where there is CUDA, or not at all."""
    return b"CUDAExtension" not in setup or b"is_available()" in setup


def _look_all(works: Sequence[Work], facts: Facts) -> list[Looked]:
    """Every file looked at, one process a processor where the platform can fork."""
    return forked.each(
        lambda work: look(work, facts),
        works,
        few=_WORTH_FORKING,
        weight=lambda work: len(work.data),
        chunk=8,
    )


def _linked(
    request: AuditRequest,
    audited: Audited,
    facts: Facts,
    works: Sequence[Work],
    looked: Sequence[Looked],
    notes: list[str],
) -> Iterator[Finding]:
    """The findings, each with the rule that would mend it, where the tree is not ported."""
    edits: dict[tuple[str, str], list[Edit]] = {}
    made: set[str] = set()
    if request.link and audited.manifest is None and any(_needs_rule(r) for r in looked):
        plan, note = plan_of(request.rules, request.target, audited.trees)
        notes += [note] if note else []
        made = set(plan.rule_digests) if plan else set()
        for edit in plan.edits if plan else ():
            edits.setdefault((edit.package, edit.path), []).append(edit)
    for work, result in zip(works, looked):
        of_file = edits.get((work.package, work.path), [])
        for finding in mended(work, result.spots, of_file, facts):
            elsewhere = [rule for rule in RELIEF.get(finding.kind, ()) if rule in made]
            if finding.cls == "open" and not finding.rule and elsewhere:
                finding = replace(finding, rule=elsewhere[0])
            yield finding


def _needs_rule(result: Looked) -> bool:
    return any(spot.finding.cls in ("open", "fallback") for spot in result.spots)


def _ported_away(audited: Audited, facts: Facts) -> Iterator[Finding]:
    """What was open in upstream's files and is gone: the places that the port edited."""
    manifest = audited.manifest
    if manifest is None:
        return
    trees = pristine_trees(audited.root, audited.trees, manifest)
    for record in manifest.files:
        if record.added or record.package not in trees:
            continue
        data = trees[record.package].read(record.path)
        shown = audited.shown(record.package, record.path)
        work = Work(record.package, record.path, shown, data)
        edits = [
            Edit(record.package, record.path, e.start, e.end, e.new, e.rule, e.operation)
            for e in record.edits
        ]
        for spot in look(work, facts).spots:
            edit = touched(spot, edits)
            if edit is not None and spot.finding.cls in ("open", "fallback"):
                yield _as_ported(spot.finding, record, edit)


def _as_ported(finding: Finding, record: FileRecord, edit: Edit) -> Finding:
    line = next(e.first_line for e in record.edits if e.start == edit.start and e.end == edit.end)
    return replace(
        finding,
        cls="ported",
        line=line,
        column=1,
        used=(),
        reason=f"upstream: {finding.reason}",
        rule=edit.rule,
    )


def _report(
    request: AuditRequest,
    audited: Audited,
    findings: Sequence[Finding],
    found: Sequence[Comment],
    notes: Sequence[str],
    files: int,
    started: float,
) -> Report:
    upstream = any(name != PROJECT for name in audited.trees)
    entries = [*request.entries, *(shipped_entries() if upstream else [])]
    judged, unused, void = accept(findings, found, entries)
    judged = [f for f in judged if not request.kinds or f.kind in request.kinds]
    judged.sort(key=_order)
    return Report(
        target=request.target.name,
        versions=audited.versions,
        ported=audited.manifest.target if audited.manifest else "",
        findings=tuple(dict.fromkeys(judged)),
        unused=tuple(unused),
        void=tuple(void),
        notes=tuple(notes),
        files=files,
        seconds=time.perf_counter() - started,
    )


def _order(finding: Finding) -> tuple[object, ...]:
    """What a training run reaches first comes first; in one place, the worst."""
    package = finding.package
    return (
        ORDER[finding.stage],
        _PACKAGES.index(package) if package in _PACKAGES else len(_PACKAGES),
        finding.path,
        finding.line,
        finding.column,
        _CLASS_ORDER[finding.cls],
        finding.kind,
        finding.symbol,
    )
