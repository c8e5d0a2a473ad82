"""An audit as one HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from string import Template

from porter.audit.model import CLASSES, STAGES, Finding, Report
from porter.model import Target
from porter.render.markup import prose, resource, text
from porter.render.words import count, versions

_COLUMNS = (*CLASSES, "accepted")


def audit_page(report: Report, target: Target) -> str:
    """The page as text."""
    pressing = [f for f in report.findings if f.cls in ("open", "fallback") and not f.accepted]
    accepted = [f for f in report.findings if f.accepted]
    settled = [f for f in report.findings if f.cls in ("ported", "native", "harmless")]
    return Template(resource("audit_page.html")).substitute(
        title=text(f"What still needs CUDA on {target.name}"),
        style=resource("page.css") + resource("audit_page.css"),
        summary=prose(target.summary),
        facts=_facts(report, target),
        tables='<div class="tables">'
        + _table("Package", report.by_package())
        + _table("Kind", report.by_kind())
        + "</div>",
        notes="".join(f"<p>{prose(note)}</p>" for note in report.notes),
        findings=_stages(pressing) or "<h2>Nothing is open</h2>",
        harmless=_folded("accepted, with a reason", accepted)
        + _folded("ported, native or harmless", settled),
    )


def _facts(report: Report, target: Target) -> str:
    pairs = [
        ("Chip", f"{target.vendor} {target.chip}"),
        ("Tree", versions(report.versions) or "a project"),
        ("Ported", report.ported or "no"),
        ("Files", str(report.files)),
        ("Open", str(report.count("open"))),
        ("Fallback", str(report.count("fallback"))),
    ]
    return "\n".join(f"<div><dt>{text(n)}</dt><dd>{text(v)}</dd></div>" for n, v in pairs)


def _table(name: str, counted: Mapping[str, Counter[str]]) -> str:
    heads = "".join(f"<th>{text(word)}</th>" for word in (name, *_COLUMNS))
    rows = "".join(
        f"<tr><td>{text(key)}</td>"
        + "".join(f"<td>{row[column] or ''}</td>" for column in _COLUMNS)
        + "</tr>"
        for key, row in sorted(counted.items())
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _stages(findings: Iterable[Finding]) -> str:
    parts = []
    for stage, group in groupby(findings, key=lambda finding: finding.stage):
        parts.append(f"<h2>{text(stage)}: {text(STAGES[stage])}</h2>")
        parts += map(_article, group)
    return "\n".join(parts)


def _folded(words: str, findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    body = "\n".join(map(_article, findings))
    head = f"{count(len(findings), 'finding')} {words}"
    return f"<details><summary>{text(head)}</summary>{body}</details>"


def _article(finding: Finding) -> str:
    used = f", used in {', '.join(map(str, finding.used))}" if finding.used else ""
    rule = f" Rule <code>{text(finding.rule)}</code>." if finding.rule else ""
    accepted = f"<p class='why'>Accepted: {prose(finding.accepted)}</p>" if finding.accepted else ""
    return (
        f'<article class="{finding.cls}"><p>'
        f'<span class="badge {finding.cls}">{finding.cls}</span>'
        f'<span class="badge">{text(finding.kind)}</span>'
        f'<span class="place">{text(finding.path)}:{finding.line}{used}</span></p>'
        f"<pre>{text(finding.code)}</pre>"
        f'<p class="why"><code>{text(finding.symbol)}</code>: {prose(finding.reason)}.{rule}</p>'
        f"{accepted}</article>"
    )
