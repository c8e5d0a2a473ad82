"""From two runs to a verdict: pass, fail or inconclusive, and why.

A check that fails fails the whole. What cannot be told (the runs may not be compared, upstream's
own run is broken, or two of it differ by more than a threshold) makes the whole inconclusive,
never a pass; but no noise excuses a port that did not run whole, on its device, with finite losses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from porter.verify.judging import compare
from porter.verify.judging.asked import Asked, checked
from porter.verify.judging.compare import pair_ranks
from porter.verify.judging.conditions import conditions, finite
from porter.verify.judging.evaluation import evaluation, prediction
from porter.verify.judging.evidence import evidence
from porter.verify.judging.figures import NAMES, figures
from porter.verify.judging.thresholds import changed
from porter.verify.judging.words import below, percent
from porter.verify.model import Check, Outcome, Run, Thresholds, Verdict

#: The worse comes first.
_ORDER: tuple[Outcome, ...] = ("fail", "inconclusive", "pass", "unasked")
#: What is said of the mean where there is no difference at all.
IDENTICAL = "Every loss and gradient norm is bit-identical to upstream's."
#: A threshold's name -> the checks whose limit it is.
_LIMITED = {"first-step": NAMES[:1], "mean": NAMES[1:2], "bias": NAMES[2:3], "grad-norm": NAMES[3:]}


def judge(
    asked: Asked,
    baselines: Sequence[Run],
    ported: Run,
    repeats: Sequence[Run] = (),
    *,
    limits: Thresholds,
) -> Verdict:
    """Hold the ported run, and each repeat of it, against upstream's.

    Args:
        baselines: Upstream's runs of the same settings, one or more. The first is compared with;
            the others tell how far upstream is from itself.
    """
    first = baselines[0]
    shaky = (_sound(asked, baselines), _steady(asked, baselines, limits))
    told = all(check.outcome in ("pass", "unasked") for check in shaky)
    runs = [_checks(asked, first, run, limits, told) for run in (ported, *repeats)]
    checks = (*_marked(_worst_of(runs), asked.amp, limits), *shaky)
    pairs = pair_ranks(first, ported)
    return Verdict(
        outcome=overall(checks),
        checks=checks,
        vendor=compare.vendor_rule(*pairs[0]) if pairs else None,
        thresholds=limits,
        noise=noise(baselines, limits),
        loosened=tuple(changed(asked.amp, limits)),
    )


def overall(checks: Sequence[Check]) -> Outcome:
    """The worst outcome of all; what was not asked for counts as nothing."""
    return min((check.outcome for check in checks), key=_ORDER.index, default="inconclusive")


def _checks(
    asked: Asked, baseline: Run, ported: Run, limits: Thresholds, told: bool
) -> tuple[Check, ...]:
    """All checks of one ported run.

    Args:
        told: Whether upstream's own runs allow a figure to count as a failure.
    """
    before = conditions(asked, baseline, ported)
    broken = [check.name for check in before if check.outcome == "fail"]
    compared = _compared(asked, baseline, ported, limits)
    if broken:
        compared = tuple(_not_compared(check, broken[0]) for check in compared)
    elif not told:
        compared = tuple(map(_unsure, compared))
    return (
        *before,
        *compared,
        finite(baseline, ported),
        *evidence(asked, baseline, ported),
        *_resumption(asked, ported),
    )


def _compared(asked: Asked, baseline: Run, ported: Run, limits: Thresholds) -> tuple[Check, ...]:
    pairs = pair_ranks(baseline, ported)
    found = figures(pairs, limits, amp=asked.amp, rounded=asked.rounded)
    if pairs and compare.identical(pairs):
        found = tuple(
            replace(check, detail=IDENTICAL) if check.name == NAMES[1] else check for check in found
        )
    return (*found, prediction(asked, pairs), *evaluation(asked, pairs, limits))


def _not_compared(check: Check, reason: str) -> Check:
    outcome: Outcome = "unasked" if check.outcome == "unasked" else "inconclusive"
    return Check(check.name, outcome, "", check.limit, f'Not compared: "{reason}" does not hold.')


def _unsure(check: Check) -> Check:
    """A figure that is off, but upstream's own run is no measure."""
    if check.outcome != "fail":
        return check
    detail = f"Too far off, but so may be upstream from itself. {check.detail}".strip()
    return replace(check, outcome="inconclusive", detail=detail)


def _resumption(asked: Asked, ported: Run) -> tuple[Check, ...]:
    if not ported.resumed:
        return ()
    inside = 0 < ported.resumed < asked.steps
    problem = "" if inside else f"It was to happen within {asked.steps} steps."
    return (checked("resumed", [problem], value=f"after step {ported.resumed}"),)


def _sound(asked: Asked, baselines: Sequence[Run]) -> Check:
    """That upstream's own runs are whole, finite and begin alike."""
    first = baselines[0]
    problems = [
        check
        for run in baselines
        for check in (*conditions(asked.of_baseline, first, run), finite(run, run))
        if check.outcome == "fail"
    ]
    if not problems:
        return Check("upstream's run is sound", "pass")
    detail = f"{problems[0].name}: {problems[0].detail}"
    return Check("upstream's run is sound", "inconclusive", detail=detail)


def _steady(asked: Asked, baselines: Sequence[Run], limits: Thresholds) -> Check:
    """That no two of upstream's own runs differ by more than a threshold."""
    name = "upstream agrees with itself"
    if len(baselines) < 2:
        return Check(name, "unasked", detail="One run of it; --repeat 2 measures its noise.")
    found = [
        check
        for number, run in enumerate(baselines)
        for other in baselines[:number]
        for check in (
            *figures(pair_ranks(other, run), limits, amp=asked.amp, rounded=asked.rounded),
            *evaluation(asked, pair_ranks(other, run), limits),
        )
        if check.outcome == "fail"
    ]
    value = percent(max(noise(baselines, limits).values(), default=0.0))
    if not found:
        return Check(name, "pass", value, below(limits.mean))
    detail = f"{found[0].name}: {found[0].value}, allowed {found[0].limit}."
    return Check(name, "inconclusive", value, below(limits.mean), detail)


def noise(baselines: Sequence[Run], limits: Thresholds) -> Mapping[str, float]:
    """Loss name -> largest mean relative difference of two of upstream's runs."""
    largest: dict[str, float] = {}
    for number, run in enumerate(baselines):
        for other in baselines[:number]:
            for series in compare.loss_series(pair_ranks(other, run), amp=False):
                value = compare.mean([series], limits.mean, limits.near_zero).value
                largest[series.name] = max(value, largest.get(series.name, 0.0))
    return largest


def _worst_of(runs: Sequence[Sequence[Check]]) -> list[Check]:
    """Check by check the worst of all runs; a repeat that is worse is named."""
    worst = {check.name: check for check in runs[0]}
    for number, checks in enumerate(runs[1:], start=2):
        for check in checks:
            known = worst.get(check.name)
            if known is None or _ORDER.index(check.outcome) < _ORDER.index(known.outcome):
                worst[check.name] = replace(check, detail=f"Run {number}: {check.detail}")
    return list(worst.values())


def _marked(checks: Sequence[Check], amp: bool, limits: Thresholds) -> list[Check]:
    """The checks, where a limit is not the usual one saying so."""
    words = {name: word for key, word in changed(amp, limits).items() for name in _LIMITED[key]}
    return [
        replace(check, limit=f"{check.limit} ({words[check.name]})")
        if check.name in words
        else check
        for check in checks
    ]
