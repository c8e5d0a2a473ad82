"""Figures of a comparison: how far one run's losses and gradients are from another's.

All errors are fractions. What is not finite has the error infinity, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from porter.verify.model import Rank, Run, Step, VendorRule

#: How many of the last steps the bias is taken over.
BIAS_STEPS = 50
#: With AMP, a part of the loss is measured against at least this share of the total: rounding
#: to half precision is noise of the whole network, and a small part drowns in it.
AMP_SHARE = 0.1
#: Tecorigin's ``loss.py``: signed mean relative error, or signed mean absolute error.
VENDOR_RELATIVE, VENDOR_ABSOLUTE = 0.05, 0.0002

Pair = tuple[Rank, Rank]


@dataclass(frozen=True)
class Series:
    """One figure, step by step, of the same rank on both sides.

    Attributes:
        floors: For each step, what an error is measured against at least; 0 for the value alone.
        numbers: The steps' numbers.
    """

    name: str
    rank: int
    numbers: tuple[int, ...]
    baseline: tuple[float, ...]
    ported: tuple[float, ...]
    floors: tuple[float, ...]


@dataclass(frozen=True)
class Figure:
    """The worst of several series.

    Attributes:
        series: Whose figure it is; None if there was nothing to compare.
        step: Where that series is worst.
        at_step: How far it is off there.
    """

    value: float
    series: Series | None = None
    step: int = 0
    at_step: float = 0.0


def pair_ranks(baseline: Run, ported: Run) -> list[Pair]:
    """Ranks of the same number; one that only one side has is left out."""
    others = {rank.rank: rank for rank in ported.ranks}
    ranks = sorted(baseline.ranks, key=lambda rank: rank.rank)
    return [(rank, others[rank.rank]) for rank in ranks if rank.rank in others]


def is_loss(name: str) -> bool:
    """Whether mmdet counts the entry of this name into the total; others are for the log."""
    return "loss" in name


def common_steps(pair: Pair) -> list[tuple[Step, Step]]:
    """Steps of the same number on both sides, in the baseline's order."""
    others = {step.number: step for step in pair[1].steps}
    return [(step, others[step.number]) for step in pair[0].steps if step.number in others]


def loss_series(pairs: Sequence[Pair], *, amp: bool) -> list[Series]:
    """The total and each of its parts, of every rank; the total comes first.

    Args:
        amp: Whether the ported run is to be measured as one in mixed precision.
    """
    return [
        _loss(name, pair, common_steps(pair), AMP_SHARE if amp and name != "loss" else 0.0)
        for pair in pairs
        for name in loss_names(pair[0])
    ]


def loss_names(rank: Rank) -> list[str]:
    """The losses that a rank recorded, the total first, then in the order of recording."""
    names = dict.fromkeys(name for step in rank.steps for name in step.losses if is_loss(name))
    return sorted(names, key=lambda name: name != "loss")


def _loss(name: str, pair: Pair, steps: Sequence[tuple[Step, Step]], share: float) -> Series:
    having = [(a, b) for a, b in steps if name in a.losses or name in b.losses]
    return Series(
        name,
        pair[0].rank,
        tuple(step.number for step, _ in having),
        tuple(step.losses.get(name, math.nan) for step, _ in having),
        tuple(step.losses.get(name, math.nan) for _, step in having),
        tuple(share * abs(step.losses.get("loss", 0.0)) for step, _ in having),
    )


def grad_norm_series(pairs: Sequence[Pair]) -> list[Series]:
    """Gradient norms of every rank, without the steps that AMP's scaler left out."""
    return [_grad_norm(pair) for pair in pairs]


def applied_series(pairs: Sequence[Pair]) -> list[Series]:
    """Likewise of the gradients as the optimizers took them: unscaled and clipped."""
    return [_norms("applied gradient", pair, lambda step: step.applied_norm) for pair in pairs]


def _grad_norm(pair: Pair) -> Series:
    return _norms("gradient norm", pair, lambda step: step.grad_norm)


def _norms(name: str, pair: Pair, norm: Callable[[Step], float | None]) -> Series:
    found = [
        (a.number, ours, theirs)
        for a, b in common_steps(pair)
        if not (a.skipped or b.skipped)
        and (ours := norm(a)) is not None
        and (theirs := norm(b)) is not None
    ]
    return Series(
        name,
        pair[0].rank,
        tuple(number for number, _, _ in found),
        tuple(ours for _, ours, _ in found),
        tuple(theirs for _, _, theirs in found),
        (0.0,) * len(found),
    )


def errors(series: Series, allowed: float, near_zero: float) -> list[float]:
    """The signed relative error of each step.

    Where the baseline is within ``near_zero`` of zero the error is absolute, in such a unit that
    ``near_zero`` counts as ``allowed``.

    Args:
        allowed: The limit that the errors will be held against.
    """
    triples = zip(series.baseline, series.ported, series.floors, strict=True)
    return [_error(*triple, allowed, near_zero) for triple in triples]


def _error(baseline: float, ported: float, floor: float, allowed: float, near: float) -> float:
    difference = ported - baseline
    if not math.isfinite(difference):
        return math.inf
    if difference == 0:
        return 0.0
    unit = max(abs(baseline), floor)
    if abs(baseline) <= near:
        unit = max(unit, near / allowed)
    return difference / unit if unit else math.copysign(math.inf, difference)


def first(series: Sequence[Series], allowed: float, near_zero: float = 0.0) -> Figure:
    """The error of the first step, of the series that is worst."""
    return _worst(series, allowed, near_zero, lambda found: abs(found[0]))


def mean(series: Sequence[Series], allowed: float, near_zero: float = 0.0) -> Figure:
    """The mean over steps of the error's absolute value, of the series that is worst."""
    return _worst(series, allowed, near_zero, lambda found: _mean([abs(e) for e in found]))


def bias(series: Sequence[Series], allowed: float, near_zero: float = 0.0) -> Figure:
    """The absolute value of the mean error of the last steps, of the series that is worst."""
    return _worst(series, allowed, near_zero, lambda found: abs(_mean(found[-BIAS_STEPS:])))


def _mean(values: Sequence[float]) -> float:
    # Of infinities of both signs the sum is NaN, and NaN must not pass for small.
    if not all(map(math.isfinite, values)):
        return math.inf
    return math.fsum(values) / len(values)


def _worst(
    series: Sequence[Series],
    allowed: float,
    near_zero: float,
    figure: Callable[[Sequence[float]], float],
) -> Figure:
    worst = Figure(0.0)
    for one in series:
        found = errors(one, allowed, near_zero)
        value = figure(found) if found else 0.0
        if worst.series is None or value > worst.value:
            size, number = max(zip(map(abs, found), one.numbers, strict=True), default=(0.0, 0))
            worst = Figure(value, one, number, size)
    return worst


def identical(pairs: Sequence[Pair]) -> bool:
    """Whether every loss and every gradient norm is the same number on both sides."""
    steps = [both for pair in pairs for both in common_steps(pair)]
    return bool(steps) and all(
        a.losses == b.losses and a.grad_norm == b.grad_norm for a, b in steps
    )


def vendor_rule(baseline: Rank, ported: Rank) -> VendorRule | None:
    """Tecorigin's own rule on the total loss, signed as it is; None without common steps.

    As in theirs, what is not finite is left out. A baseline of 0 gives no relative error.
    """
    total = _loss("loss", (baseline, ported), common_steps((baseline, ported)), 0.0)
    found = [
        (a, b) for a, b in zip(total.baseline, total.ported, strict=True) if a and _finite(a, b)
    ]
    if not found:
        return None
    relative = math.fsum((b - a) / a for a, b in found) / len(found)
    absolute = math.fsum(b - a for a, b in found) / len(found)
    passes = relative <= VENDOR_RELATIVE or absolute <= VENDOR_ABSOLUTE
    return VendorRule(relative, absolute, passes)


def _finite(*values: float) -> bool:
    return all(map(math.isfinite, values))
