"""What the checks allow: the strict column, the one for AMP, and what a user changes of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace

from porter.errors import UsageError
from porter.verify.model import Thresholds

STRICT = Thresholds(first_step=0.005, mean=0.01, bias=0.02, grad_norm=0.10)
AMP = Thresholds(first_step=0.01, mean=0.05, bias=0.02, grad_norm=0.10)

#: A name that ``--tolerance`` takes -> the field that it changes.
NAMES = {
    "first-step": "first_step",
    "mean": "mean",
    "bias": "bias",
    "grad-norm": "grad_norm",
}


def thresholds(amp: bool, overrides: Mapping[str, float]) -> Thresholds:
    """The column for a run, with some of it changed.

    Args:
        overrides: Names of ``NAMES`` -> fraction.
    """
    column = AMP if amp else STRICT
    return replace(column, **{NAMES[name]: value for name, value in overrides.items()})


def parse_tolerance(text: str) -> tuple[str, float]:
    """``mean=2%`` or ``mean=0.02`` as a name of ``NAMES`` and a fraction.

    Raises:
        UsageError: If there is no such name, or the value is no fraction above 0.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if name not in NAMES or not equals:
        raise UsageError(f"--tolerance {text}: not NAME=VALUE", hint=f"Names: {', '.join(NAMES)}.")
    fraction = _fraction(value)
    if not 0 < fraction <= 1:  # NaN is none either
        raise UsageError(
            f"--tolerance {text}: {value or 'nothing'} is no fraction between 0 and 1",
            hint="Write 2% or 0.02.",
        )
    return name, fraction


def _fraction(text: str) -> float:
    number, sign, rest = text.partition("%")
    try:
        return math.nan if rest else float(number) / (100 if sign else 1)
    except ValueError:
        return math.nan


def changed(amp: bool, used: Thresholds) -> Mapping[str, str]:
    """Name of each threshold that is not its column's -> ``loosened`` or ``tightened``."""
    usual, now = asdict(AMP if amp else STRICT), asdict(used)
    return {
        name: "loosened" if now[field] > usual[field] else "tightened"
        for name, field in NAMES.items()
        if now[field] != usual[field]
    }
