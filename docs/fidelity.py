"""What porter makes of each catalogued edit of the hand ports to NPU, as a page.

The edits are in ``npu-fidelity.toml``; the rules that make one are those whose ``source`` names it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from porter.model import Rule
from porter.rulebook.tomlfile import tomllib

FILE = Path(__file__).with_name("npu-fidelity.toml")
#: An edit's id, or a row of them: ``FS44`` or ``FS44-FS47``.
ID = re.compile(r"\b(GF|FS)(\d\d)(b?)(?:(?:-|–|\.\.| to )(?:GF|FS)?(\d\d))?\b")
PORTS = {"GF": "GFocalV2", "FS": "FSAF"}
#: Outcome -> how the page says it.
OUTCOMES = {
    "rule": "a rule does the same",
    "better": "a rule does it, and otherwise",
    "porter": "porter's own commands do it",
    "left out": "nothing does, for the reason given",
}


@dataclass(frozen=True)
class Edit:
    """One catalogued edit.

    Attributes:
        where: The file and function.
        what: What was done there.
        outcome: One of ``OUTCOMES``.
        why: What is otherwise, what does it, or why nothing does.
        same: The twin that these words are from; empty for the edit's own.
    """

    id: str
    where: str
    what: str
    outcome: str
    why: str
    same: str = ""


def read_edits() -> dict[str, Edit]:
    """Id -> edit, in the catalogue's order."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: _edit(name, tables) for name in tables}


def _edit(name: str, tables: Mapping[str, Mapping[str, str]]) -> Edit:
    twin = tables[name].get("same", "")
    words = tables[twin or name]
    return Edit(name, words["where"], words["what"], words["outcome"], words.get("why", ""), twin)


def edits_in(source: str) -> set[str]:
    """The ids that a rule's source names."""
    found = set()
    for port, first, suffix, last in ID.findall(source):
        found.add(f"{port}{first}{suffix}")
        if last:
            found |= {f"{port}{number:02}" for number in range(int(first), int(last) + 1)}
    return found


def rules_by_edit(rules: Iterable[Rule]) -> dict[str, list[str]]:
    """Id of an edit -> ids of the rules whose source names it."""
    found: dict[str, list[str]] = {}
    for rule in rules:
        for name in edits_in(rule.source):
            found.setdefault(name, []).append(rule.id)
    return {name: sorted(ids) for name, ids in found.items()}


def page(note: str, rules: Iterable[Rule]) -> Iterator[str]:
    """The page, line by line."""
    edits, made = read_edits(), rules_by_edit(rules)
    yield from (note, "", "# GFocalV2 and FSAF on NPU: the hand ports' edits, one by one", "")
    yield "Two ports to Ascend NPU were made by hand, on mmcv 1.2.7, and their edits catalogued:"
    yield f"{len(edits)} in all. This is what porter makes of each. The rules are described, with"
    yield "their reasons and cases, in [The rules](rules.md); how to use the models is in"
    yield "[GFocalV2 and FSAF on NPU](npu-models.md)."
    yield from totals(edits)
    for prefix, name in PORTS.items():
        yield from ("", f"## {name}", "")
        yield from ("| edit | where | by hand | porter |", "|---|---|---|---|")
        for edit in edits.values():
            if edit.id.startswith(prefix):
                yield row(edit, made)


def totals(edits: Mapping[str, Edit]) -> Iterator[str]:
    """How many edits came to what."""
    counts = Counter((edit.id[:2], edit.outcome) for edit in edits.values())
    heads = " | ".join(PORTS.values())
    yield from ("", f"| what became of it | {heads} | both |", "|---|---:|---:|---:|")
    for outcome, words in OUTCOMES.items():
        each = [counts[port, outcome] for port in PORTS]
        yield f"| {words} | {' | '.join(map(str, each))} | {sum(each)} |"


def row(edit: Edit, made: Mapping[str, list[str]]) -> str:
    """One edit; a twin refers to the other."""
    rules = ", ".join(f"`{name}`" for name in made.get(edit.id, ()))
    if edit.outcome in ("left out", "porter") and rules:
        rules = f"See {rules}."  # its source tells of the edit, and does not make it
    by_hand = f"As {edit.same}." if edit.same else edit.what
    why = f"As {edit.same}." if edit.same else edit.why
    told = " ".join(part for part in (f"*{edit.outcome}*", why, rules) if part)
    return f"| {edit.id} | {edit.where} | {by_hand} | {told} |"
