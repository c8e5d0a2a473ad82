"""Norms of each parameter's gradient and update on both sides: what a loss hardly shows.

A detached gradient, or a swapped argument in a branch that weighs little, leaves the losses
nearly alone for some steps. The norms show it at once, and name the parameter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from porter.verify.model import Rank

#: A norm of less than this share of the other side's is nearly none.
_NEARLY_NONE = 1e-3


@dataclass(frozen=True)
class Sizes:
    """Which norms count, as shares of the largest of the baseline.

    Some gradients are zero but for rounding (a bias before a normalization), and rounding to
    half precision is coarse: what lies below these says nothing.

    Attributes:
        floor: Errors are measured against at least this.
        lost: A norm above this must not be nearly none on the port.
        gained: A norm of the port above this must not be nearly none upstream.
        some: A norm above this must not be exactly none on the other side.
    """

    floor: float
    lost: float
    gained: float
    some: float


STRICT = Sizes(floor=1e-3, lost=1e-5, gained=1e-5, some=1e-7)
AMP = Sizes(floor=1e-2, lost=1e-4, gained=1e-2, some=1e-5)
#: Updates add up what rounding does to many steps.
STRICT_UPDATES = Sizes(floor=1e-2, lost=1e-4, gained=1e-4, some=1e-6)
#: Running means and variances of deep layers are small beside those of the first ones.
BUFFERS = Sizes(floor=1e-4, lost=1e-4, gained=1e-4, some=1e-6)
AMP_BUFFERS = Sizes(floor=1e-3, lost=1e-3, gained=1e-3, some=1e-5)


@dataclass(frozen=True)
class Norms:
    """How far the norms of two sides are from each other.

    Attributes:
        worst: Largest error, relative to the baseline's norm or to the floor.
        name: The parameter that has it.
        lost: Parameters that have a norm upstream and none, or nearly none, on the port.
        gained: The reverse.
        compared: How many were compared; what is not finite was not.
    """

    worst: float
    name: str
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    compared: int


def compare_norms(
    baseline: Mapping[str, float], ported: Mapping[str, float], sizes: Sizes
) -> Norms:
    """Compare parameter by parameter; one that is missing on a side has the norm 0 there."""
    names = sorted({*baseline, *ported})
    rows = [(name, baseline.get(name, 0.0), ported.get(name, 0.0)) for name in names]
    finite = [row for row in rows if math.isfinite(row[1]) and math.isfinite(row[2])]
    scale = max((norm for _, norm, _ in finite), default=0.0)
    worst, name = _worst(finite, sizes.floor * scale)
    return Norms(
        worst,
        name,
        tuple(n for n, a, b in finite if _vanishes(a, b, sizes.lost * scale, sizes.some * scale)),
        tuple(n for n, a, b in finite if _vanishes(b, a, sizes.gained * scale, sizes.some * scale)),
        len(finite),
    )


def compare_sketches(baseline: Rank, ported: Rank, sizes: Sizes) -> tuple[float, str]:
    """The largest distance of two sketches, relative to the baseline's norm, and whose it is.

    It is about the norm of the difference of both gradients, as a share of the gradient.
    """
    scale = max((norm for norm in baseline.gradients.values() if math.isfinite(norm)), default=0.0)
    found = [
        (_distance(baseline, ported, name, sizes.floor * scale), name)
        for name in sorted({*baseline.sketches} & {*ported.sketches})
    ]
    return max((row for row in found if math.isfinite(row[0])), default=(0.0, ""))


def _distance(baseline: Rank, ported: Rank, name: str, floor: float) -> float:
    ours, theirs = complex(*baseline.sketches[name]), complex(*ported.sketches[name])
    distance, unit = abs(theirs - ours), max(baseline.gradients.get(name, 0.0), floor)
    return distance / unit if unit else 0.0


def _worst(rows: Sequence[tuple[str, float, float]], floor: float) -> tuple[float, str]:
    errors = [(_error(a, b, floor), name) for name, a, b in rows]
    return max(errors, key=lambda error: error[0], default=(0.0, ""))


def _error(baseline: float, ported: float, floor: float) -> float:
    difference, unit = abs(ported - baseline), max(baseline, floor)
    if difference == 0:
        return 0.0
    return difference / unit if unit else math.inf


def _vanishes(here: float, there: float, enough: float, some: float) -> bool:
    nearly = here > enough and there < _NEARLY_NONE * here
    return nearly or (here > some and there == 0)
