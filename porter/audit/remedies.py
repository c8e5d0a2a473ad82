"""Which rule would mend a finding: the tree is planned, and looked at as it would be ported."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

from porter.audit.facts import Edited, Facts
from porter.audit.files import Spot, Work, look
from porter.audit.model import Finding
from porter.errors import PorterError
from porter.model import Edit, Plan, Rule, Target
from porter.plan import Tree, make_plan
from porter.plan.splice import ordered, splice

#: How far, in bytes, an edit may be from the finding that it mends.
_NEAR = 2500


def plan_of(
    rules: Sequence[Rule], target: Target, trees: Mapping[str, Tree]
) -> tuple[Plan | None, str]:
    """What a port would do, or a note why that cannot be told."""
    try:
        return make_plan(rules, target, trees), ""
    except PorterError as problem:
        return None, f"no rule is named, as this tree cannot be ported: {problem.message}"


def mended(work: Work, spots: Sequence[Spot], edits: Sequence[Edit], facts: Facts) -> list[Finding]:
    """The findings of an unported file, each with the rule that would mend it.

    Args:
        edits: The plan's edits of this file.
    """
    if not edits:
        return [spot.finding for spot in spots]
    edits = ordered(edits)
    ported = splice(work.data, edits)
    after = look(replace(work, data=ported, edited=_lines(ported, edits)), facts)
    left = {spot.start: spot.finding for spot in after.spots}
    return [_with_rule(spot, edits, left) for spot in spots]


def touched(spot: Spot, edits: Sequence[Edit]) -> Edit | None:
    """The edit that replaces code of a finding."""
    for edit in edits:
        if edit.start < spot.end and spot.start < edit.end:
            return edit
    return None


def _with_rule(spot: Spot, edits: Sequence[Edit], left: Mapping[int, Finding]) -> Finding:
    finding = spot.finding
    if finding.cls not in ("open", "fallback"):
        return finding
    direct = touched(spot, edits)
    if direct is not None:
        return replace(finding, rule=direct.rule)
    after = left.get(spot.start + _shift(spot.start, edits))
    if after is not None and after.cls in ("open", "fallback") and after.cls == finding.cls:
        return finding
    if after is not None and after.rule:
        return replace(finding, rule=after.rule)
    nearest = min(edits, key=lambda edit: abs(edit.start - spot.start))
    if abs(nearest.start - spot.start) > _NEAR:
        return finding
    return replace(finding, rule=nearest.rule)


def _shift(place: int, edits: Sequence[Edit]) -> int:
    ends = [edit.end for edit in edits]
    done = edits[: bisect_right(ends, place)]
    return sum(len(edit.new) - (edit.end - edit.start) for edit in done)


def _lines(ported: bytes, edits: Sequence[Edit]) -> tuple[Edited, ...]:
    """The lines of the ported file that the edits write."""
    found, shift = [], 0
    for edit in edits:
        start = edit.start + shift
        first = ported.count(b"\n", 0, start) + 1
        new = edit.new.strip(b"\r\n")
        first += (
            edit.new[: len(edit.new) - len(edit.new.lstrip(b"\r\n"))].count(b"\n") if new else 0
        )
        found.append(Edited(first, first + new.count(b"\n"), edit.rule))
        shift += len(edit.new) - (edit.end - edit.start)
    return tuple(found)
