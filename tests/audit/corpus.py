"""The planted corpus: its labels read, and what an audit makes of it compared with them.

A label ends a line: ``#: open cuda-call``, several joined by commas. ``#~`` labels the
statement of several lines that ends there. What has no label is to have no finding.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from porter.audit.model import Report

FOLDER = Path(__file__).parents[2] / "fixtures/audit/corpus"
#: Written when the audit was done, and not used to mend it.
HELD_OUT = FOLDER.parent / "heldout"
_LABEL = re.compile(r"(?:#|//)(:|~) ((?:\w+ [\w-]+(?:, )?)+)\s*$")


@dataclass(frozen=True)
class Label:
    """What a line truly holds; ``loose`` stands for a statement that ends there."""

    path: str
    line: int
    cls: str
    kind: str


def labels(folder: Path = FOLDER) -> Counter[Label]:
    found: Counter[Label] = Counter()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            match = _LABEL.search(line)
            if match:
                for entry in match[2].split(", "):
                    cls, kind = entry.split()
                    found[Label(name, 1 if match[1] == "~" else number, cls, kind)] += 1
    return found


def findings(report: Report) -> Counter[Label]:
    return Counter(Label(f.path, f.line, f.cls, f.kind) for f in report.findings)


@dataclass(frozen=True)
class Score:
    """How well findings agree with labels: of one class, or of all."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed)

    def __str__(self) -> str:
        return (
            f"precision {self.precision:.3f} ({self.wrong} wrong), "
            f"recall {self.recall:.3f} ({self.missed} missed), {self.right} right"
        )


def score(found: Counter[Label], truth: Counter[Label], cls: str = "") -> Score:
    mine = Counter({k: n for k, n in found.items() if not cls or k.cls == cls})
    true = Counter({k: n for k, n in truth.items() if not cls or k.cls == cls})
    right = sum((mine & true).values())
    return Score(right, sum((mine - true).values()), sum((true - mine).values()))


def by_kind(found: Counter[Label], truth: Counter[Label]) -> dict[str, Score]:
    kinds = sorted({label.kind for label in (*found, *truth)})
    return {
        kind: score(
            Counter({k: n for k, n in found.items() if k.kind == kind}),
            Counter({k: n for k, n in truth.items() if k.kind == kind}),
        )
        for kind in kinds
    }
