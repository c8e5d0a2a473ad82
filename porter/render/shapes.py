"""How many shapes the operators meet, upstream beside the port, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from porter.verify.model import Counters, Run, Verification

HEADERS = ("Shapes", "Upstream", "Port")
#: A chip that compiles for each shape has warmed up after so many steps, if it ever does.
WARM = 3


def shape_rows(verification: Verification) -> list[tuple[str, str, str]]:
    """What is counted -> upstream's figure and the port's; nothing where one was not counted.

    Nor where the port was resumed, as its second process meets every shape anew.

    Both over the steps that both were counted in. Upstream was counted on the host by PyTorch's
    own dispatch, the port by the simulated chip: figures of the same kind, but of operators that
    one of the two sees as several.
    """
    if verification.counted is None or verification.ported.resumed:
        return []
    ours, theirs = _counters(verification.counted), _counters(verification.ported)
    steps = min(len(ours), len(theirs))
    if not steps:
        return []
    ours, theirs = ours[:steps], theirs[:steps]
    rows = [
        ("operators of dynamic shape, a step", _dynamic(ours), _dynamic(theirs)),
        ("new (operator, shape) signatures, step 1", _first(ours), _first(theirs)),
    ]
    if steps > WARM:
        words = f"the same, a step after step {WARM}, at most"
        rows.append((words, _warm(ours), _warm(theirs)))
    return rows


def _counters(run: Run) -> list[Counters]:
    return [step.counters for rank in run.ranks[:1] for step in rank.steps if step.counters]


def _dynamic(found: Sequence[Counters]) -> str:
    return f"{median(one.dynamic_shape_ops for one in found):,.0f}"


def _first(found: Sequence[Counters]) -> str:
    return f"{found[0].new_signatures:,}"


def _warm(found: Sequence[Counters]) -> str:
    return f"{max(one.new_signatures for one in found[WARM:]):,}"
