"""An audit as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from porter.audit.model import CLASSES, STAGES, Class, Finding, Report, Suppression
from porter.render.blocks import BLANK, Block, Style, Table, Text
from porter.render.words import count, versions

_STYLES: Mapping[str, Style] = {
    "open": "red",
    "fallback": "yellow",
    "ported": "green",
    "native": "green",
    "harmless": "dim",
}
_COLUMNS = (*CLASSES, "accepted")


def audit_blocks(report: Report, shown: Sequence[Class], accepted: bool = False) -> list[Block]:
    """The whole report.

    Args:
        shown: The classes whose findings are listed; all are counted.
        accepted: Whether to list findings that somebody accepts.
    """
    blocks: list[Block] = [Text(_head(report), "bold")]
    listed = [f for f in report.findings if f.cls in shown and (accepted or not f.accepted)]
    for stage, group in groupby(listed, key=lambda finding: finding.stage):
        blocks += [BLANK, Text(f"{stage}: {STAGES[stage]}", "bold")]
        for finding in group:
            blocks += _finding(finding)
    if report.findings:
        blocks += [BLANK, _table("Package", report.by_package()), BLANK]
        blocks += [_table("Kind", report.by_kind())]
    for note in report.notes:
        blocks.append(Text(f"Note: {note}", "yellow"))
    blocks += _suppressions("Suppressions that met nothing", report.unused)
    blocks += _suppressions("Suppressions without a reason, which accept nothing", report.void)
    return [
        *blocks,
        BLANK,
        Text(_foot(report), _STYLES["open"] if report.count("open") else "green"),
    ]


def _head(report: Report) -> str:
    state = f"ported to {report.ported}" if report.ported else "not ported"
    what = f"{versions(report.versions)}, {state}" if report.versions else state
    return f"Audit for {report.target}: {what}; {count(report.files, 'file')} looked at"


def _finding(finding: Finding) -> list[Block]:
    used = f", used in {_lines(finding.used)}" if finding.used else ""
    head = f"{finding.path}:{finding.line}:{finding.column} {finding.cls} [{finding.kind}]"
    words = f"{finding.symbol}{used}: {finding.reason}"
    blocks: list[Block] = [Text(head, _STYLES[finding.cls], indent=2), Text(finding.code, indent=6)]
    blocks.append(Text(words, "dim", indent=6))
    if finding.rule:
        did = "by" if finding.cls in ("ported", "fallback") else "mended by"
        blocks.append(Text(f"{did} rule {finding.rule}", "cyan", indent=6))
    if finding.accepted:
        blocks.append(Text(f"accepted: {finding.accepted}", "dim", indent=6))
    return blocks


def _lines(numbers: Sequence[int]) -> str:
    word = "line" if len(numbers) == 1 else "lines"
    return f"{word} {', '.join(map(str, numbers))}"


def _table(name: str, counted: Mapping[str, Counter[str]]) -> Table:
    rows = tuple(
        (key, *(str(row[column]) if row[column] else "-" for column in _COLUMNS))
        for key, row in sorted(counted.items())
    )
    total: Counter[str] = sum(counted.values(), Counter())
    footer = ("", *(str(total[column]) for column in _COLUMNS))
    headers = (name, *(column.capitalize() for column in _COLUMNS))
    return Table(headers, rows, right=tuple(range(1, len(headers))), footer=footer)


def _suppressions(head: str, causes: Iterable[Suppression]) -> list[Block]:
    found = list(causes)
    if not found:
        return []
    lines = [Text(f"{c.where} [{c.kind}] {c.reason}".rstrip(), indent=2) for c in found]
    return [BLANK, Text(head, "yellow"), *lines]


def _foot(report: Report) -> str:
    left, slow = report.count("open"), report.count("fallback")
    if not left and not slow:
        return f"Nothing is left that needs CUDA; {report.seconds:.1f} s"
    if not left:
        return f"Nothing is open, {count(slow, 'fallback')}; {report.seconds:.1f} s"
    return f"{left} open, {count(slow, 'fallback')}; {report.seconds:.1f} s"


def left_blocks(report: Report) -> list[Block]:
    """What is left of a project for a person to look at, after ``porter apply --project``."""
    if not report.findings:
        return [BLANK, Text("Nothing is left that needs CUDA.", "green")]
    head = f"{count(len(report.findings), 'place')} left for you to look at"
    blocks: list[Block] = [BLANK, Text(head, "bold")]
    return [*blocks, *(block for finding in report.findings for block in _finding(finding))]


def audit_document(report: Report) -> dict[str, Any]:
    """``porter audit``.

    Keys: ``target``, ``ported``, ``versions`` (package -> version), ``files``, ``findings``
    (each ``path``, ``line``, ``column``, ``package``, ``kind``, ``class``, ``stage``,
    ``symbol``, ``code``, ``reason``, ``rule``, ``used``, ``accepted``), ``summary``
    (``classes``, ``kinds``, ``packages``), ``unused`` and ``void`` suppressions (each
    ``where``, ``kind``, ``reason``), ``notes``.
    """
    total: Counter[str] = sum(report.by_kind().values(), Counter())
    return {
        "target": report.target,
        "ported": report.ported,
        "versions": dict(report.versions),
        "files": report.files,
        "findings": [finding_document(finding) for finding in report.findings],
        "summary": {
            "classes": {column: total[column] for column in _COLUMNS},
            "kinds": {kind: dict(row) for kind, row in report.by_kind().items()},
            "packages": {name: dict(row) for name, row in report.by_package().items()},
        },
        "unused": [vars(cause) for cause in report.unused],
        "void": [vars(cause) for cause in report.void],
        "notes": list(report.notes),
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding; see ``audit_document``."""
    fields = dict(vars(finding))
    fields["class"] = fields.pop("cls")
    fields["used"] = list(finding.used)
    return fields
