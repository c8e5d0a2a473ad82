"""What ``porter explain`` tells of a line, as text and as JSON."""

from __future__ import annotations

from typing import Any

from porter.explain import Explanation, Reason
from porter.model import Rule
from porter.render.blocks import BLANK, Block, Diff, Fields, Text, displayable
from porter.render.catalog import diff_lines
from porter.render.machine import rule_summary
from porter.render.words import condition_words, specifiers


def explanation_blocks(found: Explanation) -> list[Block]:
    """The line, and each rule behind it with its edit as a diff."""
    place = Text(f"{found.file}:{found.line}", "bold")
    blocks: list[Block] = [place, Diff((displayable(found.text),), indent=2)]
    if not found.reasons:
        return [*blocks, Text(_no_reason(found)), *_edit_list(found)]
    if found.file_by_hand:
        blocks.append(
            Text("The file was edited by hand since; line numbers are the port's.", "dim")
        )
    for reason in found.reasons:
        blocks += [BLANK, *_reason_blocks(found, reason)]
    return blocks


def _no_reason(found: Explanation) -> str:
    if found.by_hand:
        return "This line was written by hand after the port; no rule is behind it."
    if not found.package:
        return "The file belongs to no package of the port; no rule is behind it."
    return f"The line is upstream's ({found.package} {found.version}); no rule is behind it."


def _edit_list(found: Explanation) -> list[Block]:
    """Where else in the file the port changed something, for who asked about the wrong line."""
    if not found.edits:
        return []
    pairs = tuple((_line_words(first, last), rule) for first, last, rule in found.edits)
    return [BLANK, Text("The port changed these lines of the file:"), Fields(pairs, indent=2)]


def _line_words(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first} to {last}"


def _reason_blocks(found: Explanation, reason: Reason) -> list[Block]:
    facts = {"Edit": _edit_words(found, reason)} | (_rule_facts(reason.rule) if reason.rule else {})
    blocks: list[Block] = [Text(reason.rule_id, "cyan")]
    if reason.rule is None:
        blocks.append(Text("The catalog no longer has this rule; --rules DIR may.", indent=2))
    else:
        blocks.append(Text(reason.rule.why, indent=2))
    if reason.changed:
        blocks.append(Text("The rule has changed since the port was made.", "yellow", indent=2))
    pairs = tuple((name, value) for name, value in facts.items() if value)
    return [*blocks, Fields(pairs, indent=2), _change(reason)]


def _edit_words(found: Explanation, reason: Reason) -> str:
    lines = _line_words(reason.first_line, reason.last_line)
    kind = f"{reason.kind}, " if reason.kind else ""
    return f"{kind}{lines}, for {found.target}, {found.package} {found.version}"


def _rule_facts(rule: Rule) -> dict[str, str]:
    return {
        "Source": rule.source,
        "When": condition_words(rule.when),
        "Versions": specifiers(rule.requires),
        "Upstream does it": specifiers(rule.native),
        "Cases": "\n".join(case.name for case in rule.cases),
        "File": rule.path,
    }


def _change(reason: Reason) -> Diff:
    if reason.kind == "add-file":
        return Diff((f"+ (the whole file, {reason.last_line} lines)",), indent=2)
    if reason.before is None:
        return Diff(tuple(f"+{line}" for line in reason.after.split("\n")), indent=2)
    lines = diff_lines(f"{reason.before}\n", f"{reason.after}\n")
    return Diff(tuple(line for line in lines if not line.startswith("@@")), indent=2)


def explanation_document(found: Explanation) -> dict[str, Any]:
    """``porter explain``.

    Keys: ``file``, ``line``, ``text``, ``target``, ``package``, ``version``, ``by_hand``
    (the line), ``file_by_hand``, ``reasons`` (each ``rule``, ``kind``, ``lines`` (first
    and last), ``before`` (null if lost or a new file), ``after``, ``changed``, ``cases``,
    ``source`` and ``catalog``, the rule's summary; the last three are null or empty if
    the catalog no longer has the rule), ``edits`` (each ``lines`` and ``rule``: all edits
    of the file).
    """
    return {
        "file": found.file,
        "line": found.line,
        "text": displayable(found.text),
        "target": found.target,
        "package": found.package,
        "version": found.version,
        "by_hand": found.by_hand,
        "file_by_hand": found.file_by_hand,
        "reasons": [_reason_entry(reason) for reason in found.reasons],
        "edits": [{"lines": [first, last], "rule": rule} for first, last, rule in found.edits],
    }


def _reason_entry(reason: Reason) -> dict[str, Any]:
    rule = reason.rule
    return {
        "rule": reason.rule_id,
        "kind": reason.kind,
        "lines": [reason.first_line, reason.last_line],
        "before": None if reason.before is None else displayable(reason.before),
        "after": displayable(reason.after),
        "changed": reason.changed,
        "cases": [case.name for case in rule.cases] if rule else [],
        "source": rule.source if rule else None,
        "catalog": rule_summary(rule) if rule else None,
    }
