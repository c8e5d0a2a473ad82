"""The checks that rest on figures: losses, gradient norms, and the norms of each parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from porter.verify.judging import compare, parameters
from porter.verify.judging.compare import Figure, Pair, Series
from porter.verify.judging.parameters import Norms
from porter.verify.judging.words import below, of_rank, percent, some
from porter.verify.model import Check, Outcome, Rank, Thresholds

#: How many times the limit of the gradient norm a single parameter's norm may be off with AMP:
#: in its gradient rounding adds up less than in its updates.
AMP_GRADIENT, AMP_UPDATE = 2.5, 5.0
#: Likewise for the difference of two gradients: rounding turns them more than it stretches them.
#: In a small network of eight residual blocks the worst was a third of the gradient's norm, where
#: the norm itself was off by 6 %.
ROUNDED_DIRECTION = 10.0
#: And where nothing may be rounded otherwise than upstream: on the host, and on a simulated chip,
#: which computes there. An honest port is bit-identical in its first step, but for sums in another
#: order; the gradient of a deformable convolution's offsets is a thousandth of what it adds to.
EXACT = 1e-3
#: Names of the checks, in the order of the table.
NAMES = (
    "first step",
    "mean over steps",
    "bias of the last steps",
    "gradient norm, step 1",
    "gradient norm, mean",
    "gradient per parameter",
    "direction of gradients",
    "update per parameter",
    "gradient as applied",
    "running figures",
)


def figures(
    pairs: Sequence[Pair],
    limits: Thresholds,
    *,
    amp: bool,
    rounded: bool,
) -> tuple[Check, ...]:
    """All of them; the worst loss, rank or parameter decides.

    Args:
        amp: Whether the second of each pair ran in mixed precision.
        rounded: Whether it may have been rounded in another way, as AMP does and as real chips
            do, some of which compute convolutions in half precision unasked.
    """
    return (
        *_losses(pairs, limits, amp),
        *_grad_norms(pairs, limits),
        _gradients(pairs, limits, amp, rounded),
        _directions(pairs, limits, rounded),
        _updates(pairs, limits, amp),
        _applied(pairs, limits),
        _buffers(pairs, limits, amp),
    )


def _losses(pairs: Sequence[Pair], limits: Thresholds, amp: bool) -> list[Check]:
    series = compare.loss_series(pairs, amp=amp)
    near, ranks = limits.near_zero, len(pairs)
    first = compare.first(series, limits.first_step, near)
    mean = compare.mean(series, limits.mean, near)
    bias = compare.bias(series, limits.bias, near)
    return [
        _held(NAMES[0], first, limits.first_step, _values(first, ranks)),
        _held(NAMES[1], mean, limits.mean, _worst_step(mean, ranks)),
        _held(NAMES[2], bias, limits.bias, _direction(bias, ranks)),
    ]


def _grad_norms(pairs: Sequence[Pair], limits: Thresholds) -> list[Check]:
    """The first step and the mean.

    A single later step is not held against the limit: training is chaotic, and honest rounding
    grows until some step's gradient is far off. The first knows no past, the mean forgives it.
    """
    series, limit, ranks = compare.grad_norm_series(pairs), limits.grad_norm, len(pairs)
    if not any(one.numbers for one in series):
        detail = "AMP's scaler left out every step."
        return [Check(name, "inconclusive", detail=detail) for name in NAMES[3:5]]
    first, mean = compare.first(series, limit), compare.mean(series, limit)
    return [
        _held(NAMES[3], first, limit, _values(first, ranks)),
        _held(NAMES[4], mean, limit, _worst_step(mean, ranks)),
    ]


def _held(name: str, figure: Figure, limit: float, detail: str) -> Check:
    outcome: Outcome = "pass" if figure.value < limit else "fail"
    return Check(name, outcome, percent(figure.value), below(limit), detail)


def _values(figure: Figure, ranks: int) -> str:
    """What the first step is on both sides, where it differs."""
    if figure.series is None or not figure.value:
        return ""
    ours, theirs = figure.series.baseline[0], figure.series.ported[0]
    return f"{_whose(figure.series, ranks)}: {theirs:.6g}, upstream's {ours:.6g}."


def _worst_step(figure: Figure, ranks: int) -> str:
    if figure.series is None or not figure.value:
        return ""
    where = f"most in step {figure.step} ({percent(figure.at_step)})"
    return f"{_whose(figure.series, ranks)}, {where}."


def _direction(figure: Figure, ranks: int) -> str:
    if figure.series is None or not figure.value:
        return ""
    word = "lower" if sum(figure.series.ported) < sum(figure.series.baseline) else "higher"
    return f"{_whose(figure.series, ranks)}, {word} than upstream's."


def _whose(series: Series, ranks: int) -> str:
    return f"{of_rank(series.rank, ranks)}{series.name}"


def _gradients(pairs: Sequence[Pair], limits: Thresholds, amp: bool, rounded: bool) -> Check:
    name = NAMES[5]
    if not any(ours.gradients for ours, _ in pairs):
        return Check(name, "inconclusive", detail="Upstream's run has none recorded.")
    sizes = parameters.AMP if amp else parameters.STRICT
    limit = limits.grad_norm * (AMP_GRADIENT if amp else 1 if rounded else EXACT)
    found = [parameters.compare_norms(a.gradients, b.gradients, sizes) for a, b in pairs]
    return _norms_check(name, "gradient", found, limit)


def _directions(pairs: Sequence[Pair], limits: Thresholds, rounded: bool) -> Check:
    """What norms do not tell: a sign, an order, two arguments of like size swapped."""
    name, limit = NAMES[6], limits.grad_norm * (ROUNDED_DIRECTION if rounded else EXACT)
    if not any(ours.sketches for ours, _ in pairs):
        return Check(name, "unasked", detail="Upstream's run has no sketches recorded.")
    if any(ours.sketches and not theirs.sketches for ours, theirs in pairs):
        return Check(name, "inconclusive", detail="The port's run has no sketches recorded.")
    sizes = parameters.AMP if rounded else parameters.STRICT
    worst, whose = max(parameters.compare_sketches(a, b, sizes) for a, b in pairs)
    detail = f"Worst: {whose}." if worst else ""
    outcome: Outcome = "pass" if worst < limit else "fail"
    return Check(name, outcome, percent(worst), below(limit), detail)


def _updates(pairs: Sequence[Pair], limits: Thresholds, amp: bool) -> Check:
    name = NAMES[7]
    if not any(_end_updates(ours) for ours, _ in pairs):
        return Check(name, "inconclusive", detail="Upstream's run has none recorded.")
    sizes = parameters.AMP if amp else parameters.STRICT_UPDATES
    limit = limits.grad_norm * (AMP_UPDATE if amp else 1)
    found = [parameters.compare_norms(_end_updates(a), _end_updates(b), sizes) for a, b in pairs]
    return _norms_check(name, "update", found, limit)


def _applied(pairs: Sequence[Pair], limits: Thresholds) -> Check:
    """Gradients after unscaling and clipping, when the optimizer has taken them."""
    name, series = NAMES[8], compare.applied_series(pairs)
    if not any(one.numbers for one in series):
        return Check(name, "unasked", detail="It was not recorded, or AMP left out every step.")
    figure = compare.mean(series, limits.grad_norm)
    return _held(name, figure, limits.grad_norm, _worst_step(figure, len(pairs)))


def _buffers(pairs: Sequence[Pair], limits: Thresholds, amp: bool) -> Check:
    """What normalizations remember for prediction; no loss of a training shows it."""
    name = NAMES[9]
    # Of a resumed run's other ranks they are left out: only the first one's are saved.
    ends = [
        (a.end.buffers, b.end.buffers)
        for a, b in pairs
        if a.end and b.end and (b.end.buffers or b.rank == 0)
    ]
    if not any(ours for ours, _ in ends):
        return Check(name, "unasked", detail="The model has none.")
    sizes = parameters.AMP_BUFFERS if amp else parameters.BUFFERS
    limit = limits.grad_norm * (AMP_UPDATE if amp else 1)
    found = [parameters.compare_norms(ours, theirs, sizes) for ours, theirs in ends]
    return _norms_check(name, "change", found, limit)


def _end_updates(rank: Rank) -> Mapping[str, float]:
    return rank.end.updates if rank.end else {}


def _norms_check(name: str, noun: str, found: Sequence[Norms], limit: float) -> Check:
    worst = max(found, key=lambda norms: norms.worst)
    lost = sorted({parameter for norms in found for parameter in norms.lost})
    gained = sorted({parameter for norms in found for parameter in norms.gained})
    detail = f"Worst: {worst.name}." if worst.worst else ""
    if gained:
        detail = f"Only the port has a {noun} of {some(gained)}."
    if lost:
        detail = f"The port has no {noun}, or nearly none, of {some(lost)}."
    failed = bool(lost or gained) or worst.worst >= limit
    value = percent(worst.worst)
    return Check(name, "fail" if failed else "pass", value, below(limit), detail)
