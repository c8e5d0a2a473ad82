"""Limits: the two columns of the design, and what a user may change of them."""

from __future__ import annotations

import pytest

from porter.errors import UsageError
from porter.verify.judging.thresholds import changed, parse_tolerance, thresholds
from porter.verify.model import Thresholds

TOLERANCES = {
    "mean=2%": ("mean", 0.02),
    "mean = 2 %": ("mean", 0.02),
    "first-step=0.02": ("first-step", 0.02),
    "grad-norm=100%": ("grad-norm", 1.0),
    "bias=1e-3": ("bias", 0.001),
}
REFUSED = [
    "mean",
    "mean=",
    "=2%",
    "median=2%",
    "mean=two",
    "mean=2",
    "mean=0",
    "mean=-1%",
    "mean=nan",
    "mean=2%%",
    "mean=101%",
    "mean=inf",
]


def test_the_columns_are_the_designs() -> None:
    assert thresholds(False, {}) == Thresholds(0.005, 0.01, 0.02, 0.1, near_zero=0.005)
    assert thresholds(True, {}) == Thresholds(0.01, 0.05, 0.02, 0.1, near_zero=0.005)


@pytest.mark.parametrize(("text", "parsed"), TOLERANCES.items(), ids=TOLERANCES)
def test_a_tolerance_is_parsed(text: str, parsed: tuple[str, float]) -> None:
    assert parse_tolerance(text) == pytest.approx(parsed)


@pytest.mark.parametrize("text", REFUSED)
def test_a_tolerance_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--tolerance"):
        parse_tolerance(text)


def test_what_was_changed_is_told_by_its_direction() -> None:
    used = thresholds(True, {"mean": 0.01, "bias": 0.2, "grad-norm": 0.1})
    assert changed(True, used) == {"mean": "tightened", "bias": "loosened"}
