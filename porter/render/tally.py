"""How much each rule does: a plan summed up by rule and package."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from porter.model import Plan


@dataclass(frozen=True)
class Row:
    """What one rule does to one package."""

    package: str
    rule: str
    edits: int
    files: int
    new_files: int


def tally(plan: Plan) -> list[Row]:
    """One row for each rule and package that the plan edits, by package and rule."""
    edited: dict[tuple[str, str], list[str]] = defaultdict(list)
    added: dict[tuple[str, str], int] = defaultdict(int)
    for edit in plan.edits:
        edited[edit.package, edit.rule].append(edit.path)
    for new in plan.new_files:
        added[new.package, new.rule] += 1
    return [
        Row(
            package,
            rule,
            edits=len(edited.get((package, rule), [])),
            files=len(set(edited.get((package, rule), []))),
            new_files=added.get((package, rule), 0),
        )
        for package, rule in sorted(edited.keys() | added.keys())
    ]


def changed_files(plan: Plan) -> int:
    """How many files the plan changes."""
    return len({(edit.package, edit.path) for edit in plan.edits})
