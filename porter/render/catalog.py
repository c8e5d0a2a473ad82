"""What porter knows, as text: lists and pages of targets and rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import dedent

from porter.diff import text_hunks
from porter.model import Case, Operation, Rule, Target
from porter.render.blocks import BLANK, Block, Diff, Fields, Style, Table, Text
from porter.render.machine import kind_of
from porter.render.words import condition_words, count, first_sentence, specifiers, versions

#: What ``rules list`` says of a rule that a target's port makes.
MADE = "made"


def target_list(targets: Iterable[Target]) -> list[Block]:
    """One row a target."""
    rows = tuple(
        (
            target.name,
            f"{target.vendor} {target.chip}",
            target.device,
            target.backend,
            target.family,
        )
        for target in targets
    )
    return [Table(("Target", "Chip", "Device", "Backend", "Family"), rows, styles=((0, "cyan"),))]


def target_page(target: Target, selected: Sequence[str], total: int) -> list[Block]:
    """Everything about one target.

    Args:
        selected: Ids of the rules that its traits select, of ``total``.
    """
    blocks: list[Block] = [Text(f"{target.name}: {target.summary}", "bold"), BLANK]
    blocks += [_target_fields(target), BLANK, Text("Pins", "bold")]
    blocks += [Fields(tuple((n, versions(pins)) for n, pins in target.pins.items()), indent=2)]
    blocks += [BLANK, Text(f"Traits ({len(target.traits)})", "bold")]
    for trait, reason in target.traits.items():
        blocks += [Text(trait, "cyan", indent=2), Text(reason, indent=6)]
    made = f"A port makes {len(selected)} of {count(total, 'rule')}"
    return [*blocks, BLANK, Text(f"{made}: `porter rules list --target {target.name}`.")]


def _target_fields(target: Target) -> Fields:
    pairs = {
        "Vendor": target.vendor,
        "Chip": target.chip,
        "Family": target.family,
        "Device": target.device,
        "Plugin": target.plugin,
        "Backend": target.backend,
        "Visible devices": target.visible_devices,
        "AMP dtypes": ", ".join(target.amp_dtypes),
        "Asks for": ", ".join(target.ask),
        "Documentation": target.documentation,
        "File": target.path,
    }
    return Fields(tuple((name, value) for name, value in pairs.items() if value), indent=2)


def rule_list(rules: Sequence[Rule], verdicts: Mapping[str, str]) -> list[Block]:
    """Three lines a rule: its id, when it is made, and why in one sentence.

    Args:
        verdicts: Rule id -> what a target makes of it; empty if no target was named.
    """
    blocks: list[Block] = []
    for rule in rules:
        verdict = verdicts.get(rule.id)
        facts = [verdict or f"when: {_when(rule)}", specifiers(rule.requires)]
        style: Style = "green" if verdict == MADE else "dim"
        blocks += [
            Text(rule.id, "cyan"),
            Text("; ".join(fact for fact in facts if fact), style, indent=2),
            Text(first_sentence(rule.why), indent=2),
        ]
    made = sum(verdict == MADE for verdict in verdicts.values())
    total = count(len(rules), "rule")
    return [*blocks, BLANK, Text(f"{total}, {made} of them made" if verdicts else total, "bold")]


def _when(rule: Rule) -> str:
    return condition_words(rule.when) + (" (only when asked for)" if rule.optional else "")


def rule_page(rule: Rule) -> list[Block]:
    """Everything about one rule, its cases as diffs."""
    blocks: list[Block] = [Text(rule.id, "bold"), Text(rule.why, indent=2), BLANK]
    blocks += [_rule_fields(rule), BLANK, Text("Operations", "bold")]
    blocks += [Text(_operation(operation), indent=2) for operation in rule.operations]
    for case in rule.cases:
        unchanged = " (nothing changes)" if case.after is None else ""
        blocks += [BLANK, Text(f"Case: {case.name}{unchanged}", "bold"), case_diff(case)]
    return blocks


def _rule_fields(rule: Rule) -> Fields:
    pairs = {
        "Source": rule.source,
        "When": _when(rule),
        "Versions": specifiers(rule.requires),
        "Upstream does it": specifiers(rule.native),
        "Files": "\n".join(rule.files),
        "Overrides": ", ".join(rule.overrides),
        "File": rule.path,
    }
    return Fields(tuple((name, value) for name, value in pairs.items() if value), indent=2)


def _operation(operation: Operation) -> str:
    within = f" within {operation.within}" if operation.within else ""
    versions = f", for {specifiers(operation.requires)}" if operation.requires else ""
    return f"{kind_of(operation)}{within}: {_places(operation)}{versions}"


def _places(operation: Operation) -> str:
    return f"{operation.expect} place{'' if str(operation.expect) == '1' else 's'} expected"


def case_diff(case: Case) -> Diff:
    """A case as a diff, or its code where nothing must change."""
    before = dedent(case.before)
    if case.after is None:
        return Diff(tuple(f" {line}" for line in before.splitlines()), indent=2)
    return Diff(diff_lines(before, dedent(case.after)), indent=2)


def diff_lines(before: str, after: str) -> tuple[str, ...]:
    """The lines of the diff between two texts, without file headers."""
    return tuple(line for hunk in text_hunks(before, after) for line in (hunk.header, *hunk.lines))
