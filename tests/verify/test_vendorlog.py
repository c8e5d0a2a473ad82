"""The vendor's log: read with the expression of the vendor's own script."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from porter.verify.model import Run
from porter.verify.vendorlog import vendor_log
from tests.verify import fakes

#: As in Tecorigin's ``loss.py``.
THEIRS = re.compile(r"rank : 0  train.loss : ([\d\.e-]+)")


def with_loss(run: Run, value: float) -> Run:
    return fakes.each_step(run, lambda step: replace(step, losses={"loss": value}))


def test_every_step_of_every_rank_has_a_line() -> None:
    lines = vendor_log(fakes.run(steps=2, ranks=2)).splitlines()
    assert [line.split(" train")[0] for line in lines] == ["rank : 0 ", "rank : 1 "] * 2
    assert lines[0] == f"rank : 0  train.loss : {fakes.losses(1)['loss']!r}"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_their_script_reads_the_same_number(value: float) -> None:
    found = THEIRS.findall(vendor_log(with_loss(fakes.run(steps=3), value)))
    assert [float(text) for text in found] == [value] * 3


def test_what_is_not_finite_is_not_made_up() -> None:
    assert vendor_log(with_loss(fakes.run(steps=1), math.nan)) == "rank : 0  train.loss : nan\n"
