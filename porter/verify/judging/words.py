"""Figures and places as words, the same in every check."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percent(value: float) -> str:
    """``0.125`` as ``12.5 %``; three digits that count."""
    if not math.isfinite(value):
        return "not finite"
    scaled = 100 * value
    if scaled == 0:
        return "0 %"
    return f"{scaled:.0f} %" if abs(scaled) >= 1000 else f"{scaled:.3g} %"


def below(limit: float) -> str:
    """``0.01`` as ``< 1 %``."""
    return f"< {percent(limit)}"


def some(names: Sequence[str], shown: int = 3) -> str:
    """A few names, and how many more there are."""
    listed = ", ".join(names[:shown])
    return listed if len(names) <= shown else f"{listed} and {len(names) - shown} more"


def number(value: float) -> str:
    """A figure with four digits that count; ``nan`` and ``inf`` as they are."""
    return f"{value:.4g}"


def of_rank(rank: int, ranks: int) -> str:
    """``rank 2, `` where there are several ranks, else nothing."""
    return f"rank {rank}, " if ranks > 1 else ""
