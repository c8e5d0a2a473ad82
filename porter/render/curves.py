"""What is drawn of a verification: figures by step, of both sides, and their difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from porter.verify.judging.compare import Series, errors, grad_norm_series, loss_names, loss_series
from porter.verify.model import Counters, Rank, Verification

Points = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Curve:
    """One figure, step by step.

    Attributes:
        upstream: Step and value of upstream's run; empty where that side has no such figure.
        ported: Likewise of the port, as far as it came.
        off: Step and size of the relative error, as the verdict measures it.
    """

    name: str
    upstream: Points
    ported: Points
    off: Points = ()


def ranks_of(verification: Verification) -> list[int]:
    """The ranks that both sides recorded."""
    ours = {rank.rank for rank in verification.baselines[0].ranks}
    return sorted(ours & {rank.rank for rank in verification.ported.ranks})


def loss_curves(verification: Verification, rank: int) -> list[Curve]:
    """The total and each of its parts, the total first."""
    ours, theirs = _sides(verification, rank)
    limits = verification.verdict.thresholds
    by_name = {s.name: s for s in loss_series([(ours, theirs)], amp=verification.amp)}
    return [
        Curve(
            name,
            _loss_points(ours, name),
            _loss_points(theirs, name),
            _off(by_name[name], limits.mean, limits.near_zero),
        )
        for name in loss_names(ours)
    ]


def gradient_curve(verification: Verification, rank: int) -> Curve:
    """The norm over all gradients."""
    ours, theirs = _sides(verification, rank)
    (series,) = grad_norm_series([(ours, theirs)])
    return Curve(
        "gradient norm",
        tuple((step.number, step.grad_norm) for step in ours.steps),
        tuple((step.number, step.grad_norm) for step in theirs.steps),
        _off(series, verification.verdict.thresholds.grad_norm, 0.0),
    )


#: What the simulated chip counts, and how it is called.
COUNTERS: dict[str, Callable[[Counters], int]] = {
    "operator calls": lambda counters: counters.op_calls,
    "operators of dynamic shape": lambda counters: counters.dynamic_shape_ops,
    "waits of the host": lambda counters: counters.host_syncs,
    "new signatures": lambda counters: counters.new_signatures,
}


def counter_curves(verification: Verification, rank: int) -> list[Curve]:
    """What the simulated chip counted in each step; empty on another device."""
    _, theirs = _sides(verification, rank)
    counted = [(step.number, step.counters) for step in theirs.steps if step.counters]
    if not counted:
        return []
    upstream = verification.counted.ranks[0].steps if verification.counted else ()
    beside = [(step.number, step.counters) for step in upstream if step.counters]
    return [
        Curve(
            name,
            tuple((number, float(tell(found))) for number, found in beside),
            tuple((number, float(tell(found))) for number, found in counted),
        )
        for name, tell in COUNTERS.items()
    ]


def _sides(verification: Verification, rank: int) -> tuple[Rank, Rank]:
    return (
        _rank(verification.baselines[0].ranks, rank),
        _rank(verification.ported.ranks, rank),
    )


def _rank(ranks: Iterable[Rank], number: int) -> Rank:
    return next(rank for rank in ranks if rank.rank == number)


def _loss_points(rank: Rank, name: str) -> Points:
    return tuple((s.number, s.losses[name]) for s in rank.steps if name in s.losses)


def _off(series: Series, allowed: float, near_zero: float) -> Points:
    found = errors(series, allowed, near_zero)
    return tuple((n, abs(error)) for n, error in zip(series.numbers, found, strict=True))
