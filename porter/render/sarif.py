"""An audit as SARIF 2.1.0, which code hosts and editors show beside the lines."""

from __future__ import annotations

from typing import Any

from porter import __version__
from porter.audit.model import KINDS, Finding, Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"open": "error", "fallback": "warning"}


def sarif_document(report: Report) -> dict[str, Any]:
    """One run with a rule a kind; open findings are errors, fallbacks warnings, others notes."""
    kinds = list(KINDS)
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "porter",
                        "semanticVersion": __version__,
                        "rules": [
                            {"id": kind, "shortDescription": {"text": KINDS[kind]}}
                            for kind in kinds
                        ],
                    }
                },
                "columnKind": "utf16CodeUnits",
                "properties": {"target": report.target, "ported": report.ported},
                "results": [_result(finding, kinds) for finding in report.findings],
            }
        ],
    }


def _result(finding: Finding, kinds: list[str]) -> dict[str, Any]:
    text = f"{finding.symbol}: {finding.reason}"
    if finding.rule:
        text += f" (rule {finding.rule})"
    result: dict[str, Any] = {
        "ruleId": finding.kind,
        "ruleIndex": kinds.index(finding.kind),
        "level": _LEVELS.get(finding.cls, "note"),
        "kind": "fail" if finding.cls in _LEVELS else "pass",
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding.path)},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }
            }
        ],
        "properties": {
            "class": finding.cls,
            "stage": finding.stage,
            "package": finding.package,
            "rule": finding.rule,
        },
    }
    if result["kind"] == "pass":
        result["level"] = "none"
    if finding.accepted:
        result["suppressions"] = [{"kind": "external", "justification": finding.accepted}]
    return result


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path)
