"""What no loss shows, and the verdict asks for all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from porter.verify.judging.asked import Asked
from porter.verify.judging.thresholds import AMP, STRICT
from porter.verify.judging.verdict import judge
from porter.verify.model import Rank, Run, Verdict
from tests.verify import fakes

STEPS = 20
SIM = Asked("sim", "sdaa", "tccl", STEPS, devices=4)
BUFFERS = {"backbone.bn1.running_mean": 3.0, "neck.bn.running_var": 0.02}
SEEN = {"a.jpg": (7.0, 1.41, 31.0, 20.0, 22.0, 40.0, 42.0, 17.5), "b.jpg": (0.0,) * 8}
GROUP = {"group 0": "lr 0.01, momentum 0.9, weight_decay 0.0001, 5 parameters of 90 elements"}

Change = Callable[[Rank], Rank]


def recorded(rank: Rank) -> Rank:
    """The rank with all that the losses do not show."""
    assert rank.start
    assert rank.end
    return replace(
        rank,
        start=replace(rank.start, own="drawn", optimizer=GROUP),
        steps=tuple(replace(step, applied_norm=2.5) for step in rank.steps),
        end=replace(rank.end, buffers=BUFFERS, parameters="p1"),
        predictions=SEEN,
    )


def verdict_of(change: Change, asked: Asked = SIM) -> Verdict:
    upstream = fakes.each_rank(fakes.run(steps=STEPS, ranks=asked.ranks), recorded)
    made = fakes.run("sdaa", steps=STEPS, ranks=asked.ranks, amp=asked.amp)
    ported: Run = fakes.each_rank(fakes.each_rank(made, recorded), change)
    return judge(asked, [upstream], ported, limits=AMP if asked.amp else STRICT)


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if check.outcome == "fail"]


def started(**changes: object) -> Change:
    return lambda rank: replace(rank, start=replace(rank.start, **changes))  # type: ignore[type-var, arg-type]


def seen(*summary: float) -> Change:
    return lambda rank: replace(rank, predictions={**SEEN, "a.jpg": summary})


def remembered(name: str, factor: float) -> Change:
    changed = {**BUFFERS, name: BUFFERS[name] * factor}
    return lambda rank: replace(rank, end=replace(rank.end, buffers=changed))  # type: ignore[type-var, arg-type]


def applied(factor: float) -> Change:
    return lambda rank: replace(
        rank, steps=tuple(replace(step, applied_norm=2.5 * factor) for step in rank.steps)
    )


CASES: dict[str, tuple[Change, str]] = {
    "no weight decay": (
        started(optimizer={"group 0": GROUP["group 0"].replace("0.0001", "0")}),
        "same schedule",
    ),
    "another initialization": (started(own="otherwise drawn"), "initializes alike"),
    "clipping off": (applied(1.4), "gradient as applied"),
    "a slow running mean": (remembered("backbone.bn1.running_mean", 0.5), "running figures"),
    "a small running variance": (remembered("neck.bn.running_var", 0.5), "running figures"),
    "a box less": (seen(6, 1.41, *SEEN["a.jpg"][2:]), "prediction at the start"),
    "other scores": (seen(7, 1.3, *SEEN["a.jpg"][2:]), "prediction at the start"),
    "x and y swapped": (seen(7, 1.41, 31, 22, 20, 42, 40, 17.5), "prediction at the start"),
    "another class": (seen(7, 1.41, *SEEN["a.jpg"][2:7], 18.5), "prediction at the start"),
    "cannot predict": (
        lambda rank: replace(rank, predictions={}, no_predictions="RuntimeError: nms"),
        "prediction at the start",
    ),
}


@pytest.mark.parametrize(("change", "name"), CASES.values(), ids=CASES.keys())
def test_what_no_loss_shows_fails_by_its_own_check(change: Change, name: str) -> None:
    assert failed(verdict_of(change)) == [name]


@pytest.mark.parametrize("asked", [SIM, replace(SIM, amp=True), replace(SIM, ranks=2)])
def test_what_is_alike_passes(asked: Asked) -> None:
    assert verdict_of(lambda rank: rank, asked).outcome == "pass"


def test_ranks_share_parameters_and_need_not_share_buffers() -> None:
    def apart(rank: Rank, **changes: object) -> Rank:
        return replace(rank, end=replace(rank.end, **changes))  # type: ignore[type-var, arg-type]

    asked = replace(SIM, ranks=2)
    buffers = verdict_of(lambda rank: apart(rank, weights=f"w{rank.rank}"), asked)
    assert buffers.outcome == "pass"
    weights = verdict_of(lambda rank: apart(rank, parameters=f"p{rank.rank}"), asked)
    assert failed(weights) == ["ranks end alike"]


def test_a_chip_draws_and_rounds_on_its_own() -> None:
    real = replace(SIM, place="real")
    near = (7, 1.42, 31.2, 20.5, 22, 40, 42, 17.9)
    verdict = verdict_of(lambda rank: seen(*near)(started(own="drawn there")(rank)), real)
    names = {check.name: check.outcome for check in verdict.checks}
    assert names["initializes alike"] == "unasked"
    assert names["prediction at the start"] == "pass"
