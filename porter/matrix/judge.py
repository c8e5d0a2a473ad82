"""What rules find in releases, as a matrix; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from porter.matrix.model import Cell, Look, State
from porter.model import Edit, Rule, Target
from porter.plan.selection import fits
from porter.plan.splice import settle


def judge_release(
    rules: Sequence[Rule], target: Target, package: str, version: str, looks: Mapping[str, Look]
) -> list[Cell]:
    """A cell a rule, in their order.

    Args:
        looks: Rule id -> what it finds in the release.
    """
    cells = [_cell(rule, target, package, version, looks[rule.id]) for rule in rules]
    standing = {cell.rule for cell in cells if cell.state == "applies"}
    clashes = _conflicts([rule for rule in rules if rule.id in standing], package, looks)
    return [
        replace(cell, state="conflicts", notes=clashes[cell.rule]) if cell.rule in clashes else cell
        for cell in cells
    ]


def _cell(rule: Rule, target: Target, package: str, version: str, found: Look) -> Cell:
    native = rule.native.get(target.device)
    if native is not None and fits(version, native):
        return Cell(rule.id, version, "native")
    if found.absent:
        return Cell(rule.id, version, "absent")
    wanted = rule.requires.get(package)
    inside = wanted is None or fits(version, wanted)
    state: State = "applies" if inside else "would"
    if found.problems:
        state = "fails" if inside else "unlike"
    return Cell(rule.id, version, state, found.problems)


def _conflicts(
    rules: Sequence[Rule], package: str, looks: Mapping[str, Look]
) -> dict[str, tuple[str, ...]]:
    """The rules that edit the same code as another, with what is said of it."""
    edits = [
        Edit(package, path, start, end, new.encode(), rule.id)
        for rule in rules
        for path, start, end, new in looks[rule.id].edits
    ]
    _, pairs = settle(edits, {rule.id: rule.overrides for rule in rules})
    found: dict[str, tuple[str, ...]] = {}
    for left, right in pairs:
        for one, other in ((left, right), (right, left)):
            note = f"{one.path}: {other.rule} edits the same code"
            found[one.rule] = tuple(dict.fromkeys((*found.get(one.rule, ()), note)))
    return found
