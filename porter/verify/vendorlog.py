r"""The log that Tecorigin asks a contributor to hand in.

Their ``loss.py`` reads it with ``rank : 0  train.loss : ([\d\.e-]+)``: two blanks, and no sign,
so a number that is written with ``e+`` or is not finite would be read wrongly or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from porter.verify.model import Run


def vendor_log(run: Run) -> str:
    """``rank : 0  train.loss : X``, one line for each step, and in each step for each rank.

    Losses that are not finite stand as Python writes them; their reader drops such lines.
    """
    return "".join(_lines(run))


def _lines(run: Run) -> Iterator[str]:
    numbers = sorted({step.number for rank in run.ranks for step in rank.steps})
    steps = {(rank.rank, step.number): step for rank in run.ranks for step in rank.steps}
    for number in numbers:
        for rank in sorted(rank.rank for rank in run.ranks):
            step = steps.get((rank, number))
            if step and "loss" in step.losses:
                yield f"rank : {rank}  train.loss : {_number(step.losses['loss'])}\n"


def _number(value: float) -> str:
    """All digits that count, without ``e+``: theirs would take 1e+16 for 1e."""
    text = repr(value)
    return f"{value:.1f}" if "e+" in text else text
