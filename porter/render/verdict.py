"""What ``porter verify`` tells at its end: the verdict, the figures, and where the report is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from porter.render.blocks import BLANK, Block, Command, Style, Table, Text
from porter.render.shapes import HEADERS, shape_rows
from porter.render.words import count
from porter.verify.judging.compare import VENDOR_ABSOLUTE, VENDOR_RELATIVE
from porter.verify.judging.verdict import IDENTICAL
from porter.verify.judging.words import number, percent
from porter.verify.model import Check, Counters, Outcome, Place, Run, VendorRule, Verification

_STYLES: dict[Outcome, Style] = {
    "pass": "green",
    "fail": "red",
    "inconclusive": "yellow",
    "unasked": "dim",
}
_HEADLINES: dict[Outcome, str] = {
    "pass": "{model} trains on {where} as upstream does on the CPU",
    "fail": "{model} does not train on {where} as upstream does on the CPU",
    "inconclusive": "{model} may or may not train on {where} as upstream does",
    "unasked": "{model} on {where}",
}
_PLACES: dict[Place, str] = {
    "real": "{device}",
    "sim": "{device} (simulated)",
    "cpu": "the CPU, ported for {target}",
}


def verdict_blocks(verification: Verification, report: Path | None) -> list[Block]:
    """The whole outcome on a terminal.

    Args:
        report: The report's folder, if one was written.
    """
    verdict = verification.verdict
    blocks: list[Block] = [
        Text(headline(verification), _STYLES[verdict.outcome]),
        _table(verdict.checks),
        *_details(verdict.checks),
    ]
    facts = [*_vendor(verdict.vendor), *_chip(verification.ported), *_pace(verification)]
    blocks += [Text(fact) for fact in facts]
    rows = shape_rows(verification)
    blocks += [Table(HEADERS, tuple(rows), right=(1, 2))] if rows else []
    blocks += [Text(note, "yellow") for note in verification.notes]
    blocks += [BLANK, Command("Repeat", verification.command)]
    return [*blocks, Command("Report", str(report))] if report else blocks


def headline(verification: Verification) -> str:
    """``Pass: reppoints trains on ...``: the verdict in one line."""
    return f"{verification.verdict.outcome.capitalize()}: {sentence(verification)}"


def sentence(verification: Verification) -> str:
    """What the outcome means, without naming it."""
    settings = verification.settings
    said = _HEADLINES[verification.verdict.outcome].format(
        model=settings.model, where=where(verification)
    )
    amp = ", with AMP" if verification.amp else ""
    ranks = settings.nproc * settings.nnodes
    group = f", {ranks} processes" if ranks > 1 else ""
    return f"{said}, over {count(settings.steps, 'step')}{amp}{group}"


def where(verification: Verification) -> str:
    """Where the port trained: ``sdaa (simulated)``."""
    return _PLACES[verification.ported.place].format(
        device=verification.device, target=verification.target
    )


def _table(checks: Sequence[Check]) -> Table:
    rows = tuple(
        (check.name, check.value, check.limit, check.outcome)
        for check in checks
        if check.outcome != "unasked"
    )
    words = tuple(_STYLES.items())
    return Table(("Check", "Figure", "Limit", "Outcome"), rows, right=(1, 2), words=words)


def _details(checks: Sequence[Check]) -> list[Block]:
    """Why a check did not pass, or what is worth saying although it did."""
    told = [check for check in checks if check.detail and check.outcome in ("fail", "inconclusive")]
    if not told:
        return [Text(check.detail, "green") for check in checks if check.detail == IDENTICAL]
    # One reason may be that of many checks, as where nothing can be compared.
    alike: dict[tuple[Outcome, str], list[str]] = {}
    for check in told:
        alike.setdefault((check.outcome, check.detail), []).append(check.name)
    lines = [
        Text(f"{_named(names)}: {detail}", _STYLES[outcome])
        for (outcome, detail), names in alike.items()
    ]
    return [*lines, BLANK]


def _named(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def vendor_words(rule: VendorRule) -> str:
    """The vendor's rule as a sentence, with the warning that it is signed."""
    return (
        f"Tecorigin's rule, signed: {'passes' if rule.passes else 'fails'}, "
        f"mean relative error {percent(rule.mean_relative)} (<= {percent(VENDOR_RELATIVE)}) or "
        f"mean absolute error {number(rule.mean_absolute)} (<= {VENDOR_ABSOLUTE:g}). "
        "It passes any loss that is too low, and decides nothing here."
    )


def _vendor(rule: VendorRule | None) -> list[str]:
    return [vendor_words(rule)] if rule else []


def _chip(run: Run) -> list[str]:
    """What the simulated chip was asked in a usual step, and what a compiler would see."""
    found = [step.counters for rank in run.ranks[:1] for step in rank.steps if step.counters]
    return [chip_words(found)] if found else []


def chip_words(found: Sequence[Counters]) -> str:
    """Counters of all steps as a sentence; medians, as the first step is unlike the others."""
    calls, shapes, waits = (
        f"{median(values):,.0f}"
        for values in (
            [one.op_calls for one in found],
            [one.dynamic_shape_ops for one in found],
            [one.host_syncs for one in found],
        )
    )
    first, last = found[0].new_signatures, found[-1].new_signatures
    return (
        f"A step asks the chip for {calls} operators, {shapes} of dynamic shape, and makes the "
        f"host wait {waits} times; new (operator, shape) signatures: {first:,} in the first step, "
        f"{last:,} in the last."
    )


def _pace(verification: Verification) -> list[str]:
    ours = step_seconds(verification.baselines[0])
    theirs = step_seconds(verification.ported)
    if not (ours and theirs):
        return []
    cached = " (recorded earlier)" if verification.baselines[0].cached else ""
    return [f"Seconds a step: {theirs:.2f}; upstream on the CPU{cached}: {ours:.2f}."]


def step_seconds(run: Run) -> float:
    """Median wall time of a step of the first rank; 0 without steps."""
    found = [step.seconds for rank in run.ranks[:1] for step in rank.steps]
    return median(found) if found else 0.0
