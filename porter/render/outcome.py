"""What ``porter apply`` tells: which rules did how much, what it cost, and what comes next."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from porter.model import Plan, Skip
from porter.render.blocks import BLANK, Block, Command, Table, Text
from porter.render.tally import Row, changed_files, tally
from porter.render.words import count, versions

if TYPE_CHECKING:
    from porter.port.request import Outcome

#: How many skipped rules are named under one reason.
_SHOWN = 6
_STATUS_WORDS = {
    "ported": "Ported for {target} in {into}: {versions}",
    "unchanged": "Already ported for {target} by these rules, nothing to do in {into}: {versions}",
    "planned": "Dry run, nothing written. For {target}, {into} would hold: {versions}",
}


def outcome_blocks(outcome: Outcome, into: Path) -> list[Block]:
    """The whole report of an ``apply``."""
    plan = outcome.plan
    if not plan.versions:
        where = Text(f"Nothing to port for {plan.target} in {into}", "bold")
        return [where, *skip_blocks(plan.skips)]
    words = _STATUS_WORDS[outcome.status]
    head = words.format(target=plan.target, into=into, versions=versions(plan.versions))
    blocks: list[Block] = [Text(head, "bold")]
    if outcome.finished:
        blocks.append(Text("A run that had been killed was finished first.", "yellow"))
    if outcome.status != "unchanged":
        blocks += [*rule_blocks(plan), *skip_blocks(plan.skips)]
    blocks += _merged_blocks(outcome.merged)
    return [*blocks, BLANK, Text(_cost(outcome)), next_command(outcome, into)]


def rule_blocks(plan: Plan) -> list[Block]:
    """The table of rules; a line instead where no rule edits anything."""
    rows = tally(plan)
    if not rows:
        return [Text("No rule edits anything.")]
    total = ("", count(len({row.rule for row in rows}), "rule"), str(_edits(rows)), _files(plan))
    cells = tuple((row.package, row.rule, str(_row_edits(row)), _row_files(row)) for row in rows)
    headers = ("Package", "Rule", "Edits", "Files")
    return [Table(headers, cells, right=(2, 3), styles=((1, "cyan"),), footer=total)]


def skip_blocks(skips: Sequence[Skip]) -> list[Block]:
    """The skipped rules under the reasons that they were skipped for."""
    if not skips:
        return []
    groups: dict[str, set[str]] = defaultdict(set)
    for skip in skips:
        groups[skip.reason].add(skip.rule)
    blocks: list[Block] = [
        Text(f"Skipped {count(len({skip.rule for skip in skips}), 'rule')}", "bold")
    ]
    for reason, rules in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(rules) == 1:
            blocks.append(Text(f"{min(rules)}: {reason}", indent=2))
        else:
            blocks += [
                Text(f"{len(rules)} rules: {reason}", indent=2),
                Text(_listed(sorted(rules)), "dim", indent=4),
            ]
    return blocks


def _listed(rules: Sequence[str]) -> str:
    """A few ids; `porter rules list --target` and ``--json`` have them all."""
    shown = ", ".join(rules[:_SHOWN])
    return shown if len(rules) <= _SHOWN else f"{shown} and {len(rules) - _SHOWN} more"


def next_command(outcome: Outcome, into: Path) -> Block:
    """What to type after this ``apply``."""
    folder, target = shlex.quote(str(into)), shlex.quote(outcome.plan.target)
    projects = [into / record.folder for record in outcome.manifest.packages.values()]
    if outcome.status == "planned":
        place = f" --into {folder}" if into.is_dir() else ""
        return Command("Review", f"porter diff --target {target}{place}")
    if outcome.status == "unchanged":
        return Command("Next", f"porter status --into {folder}")
    if into in projects:
        return Command("Review", f"porter diff --target {target} --into {folder}")
    # With build isolation mmcv's setup.py would not see torch, and leave its ops out.
    editable = " ".join(f"-e {shlex.quote(_relative(project))}" for project in projects)
    return Command("Next", f"pip install --no-build-isolation {editable}")


def _relative(project: Path) -> str:
    # A bare name would be looked up in the package index.
    return str(project) if project.is_absolute() else f"./{project}"


def outcome_document(outcome: Outcome) -> Mapping[str, Any]:
    """``porter apply``.

    Keys: those of a plan, and ``status`` (``ported``, ``unchanged``, ``planned``),
    ``merged`` (files whose hand edits were kept), ``finished`` (whether a killed run had
    to be finished first), ``seconds`` (``fetch``, ``plan``,
    ``write``), ``changed_files``, ``new_files``.
    """
    from porter.render.machine import plan_document

    return plan_document(
        outcome.plan,
        status=outcome.status,
        merged=sorted(outcome.merged),
        finished=outcome.finished,
        seconds={name: round(value, 3) for name, value in outcome.seconds.items()},
        changed_files=changed_files(outcome.plan),
        new_files=len(outcome.plan.new_files),
    )


def _merged_blocks(merged: Iterable[str]) -> list[Block]:
    names = sorted(merged)
    if not names:
        return []
    head = Text(f"Hand edits kept in {count(len(names), 'file')}", "bold")
    return [head, *(Text(name, indent=2) for name in names)]


def _cost(outcome: Outcome) -> str:
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in outcome.seconds.items())
    added = len(outcome.plan.new_files)
    changed = count(changed_files(outcome.plan), "file")
    if outcome.status == "unchanged":
        return f"{changed} as ported; {spent}"
    verb = "would be changed" if outcome.status == "planned" else "changed"
    return f"{changed} {verb}, {added} added; {spent}"


def _edits(rows: Iterable[Row]) -> int:
    return sum(_row_edits(row) for row in rows)


def _row_edits(row: Row) -> int:
    return row.edits + row.new_files


def _row_files(row: Row) -> str:
    return str(row.files + row.new_files)


def _files(plan: Plan) -> str:
    return str(changed_files(plan) + len(plan.new_files))
