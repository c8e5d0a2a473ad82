"""The verdict: what passes, what fails and by which check, and what cannot be told."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from porter.verify.judging.asked import Asked
from porter.verify.judging.thresholds import AMP, STRICT, thresholds
from porter.verify.judging.verdict import IDENTICAL, judge
from porter.verify.model import Check, Counters, Failure, Rank, Run, Step, Verdict
from tests.verify import fakes

STEPS = 20
SIM = Asked("sim", "sdaa", "tccl", STEPS, devices=4)
HALF = replace(SIM, amp=True)
GROUP = replace(SIM, ranks=2)
_ORDER = ("pass", "inconclusive", "fail")

Change = Callable[[Run], Run]


def verdict_of(ported: Run, asked: Asked = SIM, baselines: tuple[Run, ...] = ()) -> Verdict:
    upstream = baselines or (fakes.run(steps=asked.steps, ranks=asked.ranks),)
    return judge(asked, upstream, ported, limits=AMP if asked.amp else STRICT)


def port(asked: Asked = SIM) -> Run:
    return fakes.run("sdaa", steps=asked.steps, ranks=asked.ranks, amp=asked.amp)


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if check.outcome == "fail"]


def check_of(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.name == name)


def steps(change: Callable[[Step], Step]) -> Change:
    return lambda run: fakes.each_step(run, change)


def at(number: int, change: Callable[[Step], Step]) -> Change:
    return lambda run: fakes.at_step(run, number, change)


def set_loss(value: float, name: str = "loss_cls") -> Callable[[Step], Step]:
    return lambda step: replace(step, losses={**step.losses, name: value})


def started(**changes: object) -> Change:
    return lambda run: fakes.each_rank(
        run,
        lambda rank: replace(rank, start=replace(rank.start, **changes)),  # type: ignore[type-var, arg-type]
    )


def ended(**changes: object) -> Change:
    return lambda run: fakes.each_rank(
        run,
        lambda rank: replace(rank, end=replace(rank.end, **changes)),  # type: ignore[type-var, arg-type]
    )


def gradients(**changes: float) -> Change:
    names = {"cls": "bbox_head.cls.weight", "offset": "bbox_head.offset.weight"}
    changed = {names[name]: norm for name, norm in changes.items()}
    return lambda run: fakes.each_rank(
        run, lambda rank: replace(rank, gradients={**rank.gradients, **changed})
    )


def sketched(change: Callable[[float, float], tuple[float, float]]) -> Change:
    name = "bbox_head.cls.weight"
    changed = {name: change(*fakes.SKETCHES[name])}
    return lambda run: fakes.each_rank(
        run, lambda rank: replace(rank, sketches={**rank.sketches, **changed})
    )


def without(run: Run, number: int) -> Run:
    return fakes.each_rank(
        run, lambda rank: replace(rank, steps=tuple(s for s in rank.steps if s.number != number))
    )


def swapped(run: Run) -> Run:
    return fakes.each_rank(
        run,
        lambda rank: replace(
            rank, steps=(*rank.steps[:3], rank.steps[4], rank.steps[3], *rank.steps[5:])
        ),
    )


def crashed(run: Run) -> Run:
    failure = Failure(
        "NotImplementedError", "nms_impl: implementation for device sdaa:0 not found."
    )
    return fakes.each_rank(
        run, lambda rank: replace(rank, steps=rank.steps[:1], end=None, failure=failure)
    )


def alternating(step: Step) -> Step:
    return fakes.scaled(step, 1.5 if step.number % 2 else 0.5)


def other_data_order(run: Run) -> Run:
    def turned(step: Step) -> Step:
        other = STEPS + 1 - step.number
        return replace(step, data=f"batch-0-{other}", losses=fakes.losses(other))

    return fakes.each_step(run, turned)


#: What is wrong with the port -> the checks that fail.
FAILURES: dict[str, tuple[Change, set[str]]] = {
    "losses 40 % too low": (
        steps(lambda s: fakes.scaled(s, 0.6)),
        {"first step", "mean over steps", "bias of the last steps"},
    ),
    "losses constantly 0": (
        steps(lambda s: fakes.scaled(s, 0)),
        {"first step", "mean over steps", "bias of the last steps"},
    ),
    "noise of 50 %, up and down": (steps(alternating), {"first step", "mean over steps"}),
    "one part of the loss halved": (
        steps(lambda s: fakes.scaled(s, 0.5, ["loss_pts_init"])),
        {"first step", "mean over steps", "bias of the last steps"},
    ),
    "a first step that is 1 % off": (at(1, lambda s: fakes.scaled(s, 1.01)), {"first step"}),
    "gradients 20 % too large": (
        steps(lambda s: replace(s, grad_norm=1.2 * s.grad_norm)),
        {"gradient norm, step 1", "gradient norm, mean"},
    ),
    "a detached gradient": (gradients(cls=0.0), {"gradient per parameter"}),
    "a detached gradient that is tiny": (gradients(offset=0.0), {"gradient per parameter"}),
    "a gradient 20 % off": (gradients(cls=0.96), {"gradient per parameter"}),
    "a gradient of the other sign": (
        sketched(lambda real, imaginary: (-real, -imaginary)),
        {"direction of gradients"},
    ),
    "a gradient that is turned": (
        sketched(lambda real, imaginary: (imaginary, real)),
        {"direction of gradients"},
    ),
    "a parameter that is not updated": (
        ended(updates={n: 0.01 * v for n, v in fakes.PARAMETERS.items() if "neck" not in n}),
        {"update per parameter"},
    ),
    "a NaN in a loss": (
        at(7, set_loss(math.nan)),
        {"mean over steps", "bias of the last steps", "NaN or infinite"},
    ),
    "an infinite gradient": (
        at(7, lambda s: replace(s, grad_norm=math.inf)),
        {"gradient norm, mean", "NaN or infinite"},
    ),
    "a missing step": (lambda run: without(run, 5), {"all steps"}),
    "a missing last step": (lambda run: without(run, STEPS), {"all steps"}),
    "steps out of order": (swapped, {"all steps"}),
    "a crash": (crashed, {"came to its end", "all steps"}),
    "no rank at all": (lambda run: replace(run, ranks=()), {"came to its end"}),
    "other weights": (started(weights="w9"), {"same initial weights"}),
    "another data order": (other_data_order, {"same data order"}),
    "another schedule": (started(schedule="s9"), {"same schedule"}),
    "another learning rate": (steps(lambda s: replace(s, lr=(2e-3,))), {"same schedule"}),
    "a loss of another name": (
        steps(lambda s: replace(s, losses={**s.losses, "loss_extra": 0.0})),
        {"same losses"},
    ),
    "trained on the host": (
        steps(lambda s: replace(s, devices={"cpu": 5})),
        {"parameters on the device"},
    ),
    "one parameter left on the host": (
        at(2, lambda s: replace(s, devices={"sdaa:0": 4, "cpu": 1})),
        {"parameters on the device"},
    ),
    "a parameter too few": (
        steps(lambda s: replace(s, devices={"sdaa:0": 4})),
        {"parameters on the device"},
    ),
    "no operator on the device": (
        at(9, lambda s: replace(s, counters=Counters(0, 0, 0, 0))),
        {"operators ran there"},
    ),
    "no counters": (steps(lambda s: replace(s, counters=None)), {"operators ran there"}),
    "AMP on though not asked for": (steps(fakes.mixed), {"AMP off"}),
}


@pytest.mark.parametrize(("change", "names"), FAILURES.values(), ids=FAILURES.keys())
def test_fails(change: Change, names: set[str]) -> None:
    verdict = verdict_of(change(port()))
    assert verdict.outcome == "fail"
    assert names <= set(failed(verdict))
    assert all(check_of(verdict, name).detail for name in names)


#: With AMP asked for.
AMP_FAILURES: dict[str, tuple[Change, set[str]]] = {
    "silently off": (steps(lambda s: replace(s, low_precision=0)), {"AMP on"}),
    "half of the modules not": (at(4, lambda s: replace(s, low_precision=5)), {"AMP on"}),
    "no scaler": (started(scaler=False), {"AMP on"}),
    "the plain wrapper": (started(wrapper="OptimWrapper"), {"AMP on"}),
    "most updates left out": (
        steps(
            lambda s: replace(
                s, skipped=s.number > 5, grad_norm=math.inf if s.number > 5 else s.grad_norm
            )
        ),
        {"updates made"},
    ),
    "losses 10 % too high": (steps(lambda s: fakes.scaled(s, 1.1)), {"mean over steps"}),
    "a detached gradient": (gradients(cls=0.0), {"gradient per parameter"}),
    "an infinite loss": (at(3, set_loss(math.inf)), {"NaN or infinite"}),
}


@pytest.mark.parametrize(("change", "names"), AMP_FAILURES.values(), ids=AMP_FAILURES.keys())
def test_fails_with_amp(change: Change, names: set[str]) -> None:
    assert names <= set(failed(verdict_of(change(port(HALF)), HALF)))


#: With two ranks.
GROUP_FAILURES: dict[str, tuple[Change, str]] = {
    "the wrong backend": (started(backend="gloo"), "communication"),
    "no process group": (started(backend=""), "communication"),
    "ranks that drift apart": (
        lambda run: replace(
            run,
            ranks=tuple(replace(r, end=replace(r.end, weights=f"w{r.rank}")) for r in run.ranks),
        ),
        "ranks end alike",
    ),
    "one device for both": (
        steps(lambda s: replace(s, devices={"sdaa:0": 5})),
        "a device for each rank",
    ),
    "a rank that is missing": (lambda run: replace(run, ranks=run.ranks[:1]), "came to its end"),
    "ranks with each other's data": (
        lambda run: replace(
            run,
            ranks=tuple(
                replace(rank, steps=other.steps) for rank, other in zip(run.ranks, run.ranks[::-1])
            ),
        ),
        "same data order",
    ),
    "one rank that is off": (
        lambda run: replace(
            run,
            ranks=(run.ranks[0], fakes.each_step(run, lambda s: fakes.scaled(s, 1.1)).ranks[1]),
        ),
        "mean over steps",
    ),
}


@pytest.mark.parametrize(("change", "name"), GROUP_FAILURES.values(), ids=GROUP_FAILURES.keys())
def test_fails_with_several_ranks(change: Change, name: str) -> None:
    assert name in failed(verdict_of(change(port(GROUP)), GROUP))


def test_the_rank_that_says_why_is_told_and_not_its_peer_that_torchrun_ended() -> None:
    run = port(GROUP)
    ended = Failure("ended", "the process ended with exit code 1")
    said = Failure("RuntimeError", "no NCCL here")
    ranks = [replace(r, end=None, failure=f) for r, f in zip(run.ranks, (ended, said))]
    checks = verdict_of(replace(run, ranks=tuple(ranks)), GROUP).checks
    told = next(check.detail for check in checks if check.name == "came to its end")
    assert told.endswith("RuntimeError: no NCCL here")


#: Runs that differ from upstream as an honest port may.
HONEST: dict[str, tuple[Asked, Change]] = {
    "the same": (SIM, lambda run: run),
    "the same, AMP": (HALF, lambda run: run),
    "the same, two ranks": (GROUP, lambda run: run),
    "ranks in another order": (GROUP, lambda run: replace(run, ranks=run.ranks[::-1])),
    "rounding": (SIM, steps(lambda s: fakes.scaled(s, 1 + 1e-5 * (-1) ** s.number))),
    "half precision": (HALF, steps(lambda s: fakes.scaled(s, 1 + 0.008 * (-1) ** s.number))),
    "chaos in one gradient": (SIM, at(18, lambda s: replace(s, grad_norm=1.5 * s.grad_norm))),
    "a loss scale that is found": (
        HALF,
        lambda run: fakes.each_step(
            run,
            lambda s: replace(
                s, skipped=s.number < 3, grad_norm=math.inf if s.number < 3 else s.grad_norm
            ),
        ),
    ),
}


@pytest.mark.parametrize(("asked", "change"), HONEST.values(), ids=HONEST.keys())
def test_passes(asked: Asked, change: Change) -> None:
    verdict = verdict_of(change(port(asked)), asked)
    assert (verdict.outcome, failed(verdict)) == ("pass", [])


def test_equal_numbers_are_called_bit_identical() -> None:
    same = check_of(verdict_of(port()), "mean over steps")
    nearly = check_of(verdict_of(HONEST["rounding"][1](port())), "mean over steps")
    assert (same.value, same.detail) == ("0 %", IDENTICAL)
    assert (nearly.value, nearly.outcome) == ("0.001 %", "pass")
    assert re.fullmatch(r"loss\w*, most in step \d+ \(0.001 %\)\.", nearly.detail)


def test_runs_that_differ_in_data_are_not_compared() -> None:
    check = check_of(verdict_of(other_data_order(port())), "mean over steps")
    assert (check.outcome, check.value) == ("inconclusive", "")
    assert check.detail == 'Not compared: "same data order" does not hold.'


def test_the_vendors_signed_rule_passes_what_fails_here() -> None:
    for change in (steps(lambda s: fakes.scaled(s, 0.6)), steps(alternating)):
        verdict = verdict_of(change(port()))
        assert verdict.vendor is not None
        assert (verdict.vendor.passes, verdict.outcome) == (True, "fail")
    low = verdict_of(steps(lambda s: fakes.scaled(s, 0.6))(port())).vendor
    assert low is not None
    assert low.mean_relative == pytest.approx(-0.4)


def noisy(run: Run, size: float) -> Run:
    return fakes.each_step(run, lambda s: fakes.scaled(s, 1 + size * (-1) ** s.number))


def test_a_baseline_that_disagrees_with_itself_is_inconclusive() -> None:
    upstream = fakes.run()
    verdict = verdict_of(port(), baselines=(upstream, noisy(upstream, 0.02)))
    assert verdict.outcome == "inconclusive"
    assert verdict.noise["loss"] == pytest.approx(0.02)
    assert "allowed < 0.5 %" in check_of(verdict, "upstream agrees with itself").detail


def test_noise_within_the_limits_is_told_and_passes() -> None:
    upstream = fakes.run()
    verdict = verdict_of(port(), baselines=(upstream, noisy(upstream, 0.001)))
    assert verdict.outcome == "pass"
    assert check_of(verdict, "upstream agrees with itself").value == "0.1 %"


def test_noise_excuses_losses_but_no_host_and_no_nan() -> None:
    upstream = fakes.run()
    pair = (upstream, noisy(upstream, 0.02))
    assert verdict_of(steps(lambda s: fakes.scaled(s, 0.6))(port()), baselines=pair).outcome == (
        "inconclusive"
    )
    for name in ("a NaN in a loss", "trained on the host", "a missing step"):
        assert verdict_of(FAILURES[name][0](port()), baselines=pair).outcome == "fail", name


BROKEN_BASELINES: dict[str, Change] = {
    "a NaN": at(7, set_loss(math.nan)),
    "a missing step": lambda run: without(run, 5),
    "a crash": crashed,
}


@pytest.mark.parametrize("change", BROKEN_BASELINES.values(), ids=BROKEN_BASELINES.keys())
def test_a_broken_baseline_is_never_a_pass(change: Change) -> None:
    verdict = verdict_of(port(), baselines=(change(fakes.run()),))
    assert verdict.outcome == "inconclusive"
    assert check_of(verdict, "upstream's run is sound").outcome == "inconclusive"


def test_baselines_of_unlike_weights_are_never_a_pass() -> None:
    pair = (fakes.run(), started(weights="w9")(fakes.run()))
    assert verdict_of(port(), baselines=pair).outcome == "inconclusive"


def test_a_repeat_that_fails_fails_the_whole() -> None:
    bad = FAILURES["losses 40 % too low"][0](port())
    verdict = judge(SIM, [fakes.run()], port(), [port(), bad], limits=STRICT)
    assert verdict.outcome == "fail"
    assert check_of(verdict, "mean over steps").detail.startswith("Run 3: loss, most in step")


def test_few_steps_cannot_tell_whether_the_loss_scale_settles() -> None:
    asked = replace(HALF, steps=4)
    run = fakes.each_step(port(asked), lambda s: replace(s, skipped=s.number < 4))
    assert check_of(verdict_of(run, asked), "updates made").outcome == "inconclusive"


def test_ranks_may_differ_in_what_normalization_keeps_of_their_images_and_in_no_weight() -> None:
    def ended(run: Run, same: bool) -> Run:
        def end(rank: Rank) -> Rank:
            assert rank.end
            own = {"weights": f"w{rank.rank}", "parameters": "p" if same else f"p{rank.rank}"}
            return replace(rank, end=replace(rank.end, **own))

        return fakes.each_rank(run, end)

    upstream = (ended(fakes.run(ranks=2), same=True),)
    assert verdict_of(ended(port(GROUP), same=True), GROUP, upstream).outcome == "pass"
    assert failed(verdict_of(ended(port(GROUP), same=False), GROUP, upstream)) == [
        "ranks end alike"
    ]


def test_bf16_needs_no_scaler() -> None:
    asked = replace(HALF, amp_dtype="bfloat16")
    assert verdict_of(started(scaler=False)(port(asked)), asked).outcome == "pass"


def test_on_the_host_nothing_is_asked_of_the_device() -> None:
    asked = Asked("cpu", "cpu", "tccl", STEPS, ranks=2)
    verdict = verdict_of(fakes.run(ranks=2), asked)
    assert verdict.outcome == "pass"
    assert check_of(verdict, "operators ran there").outcome == "unasked"


def test_a_real_chip_shows_by_its_memory() -> None:
    asked = replace(SIM, place="real")
    run = steps(lambda s: replace(s, counters=None))(port())
    assert check_of(verdict_of(run, asked), "operators ran there").value == "memory is held"
    empty = at(3, lambda s: replace(s, memory=0))(run)
    assert failed(verdict_of(empty, asked)) == ["operators ran there"]


@pytest.mark.parametrize(
    ("megabytes", "outcome"), [(64.0, "pass"), (0.0, "fail"), (None, "fail")], ids=str
)
def test_the_log_tells_of_the_memory_where_the_chip_does(
    megabytes: float | None, outcome: str
) -> None:
    def logged(rank: Rank) -> Rank:
        assert rank.end
        return replace(rank, end=replace(rank.end, logged_memory=megabytes))

    run = fakes.each_rank(port(), logged)
    assert verdict_of(run, replace(SIM, tells_memory=True)).outcome == outcome
    assert verdict_of(run).outcome == "pass", "not every chip's plugin can tell"


def test_a_real_chip_may_turn_a_gradient_a_little() -> None:
    turned = sketched(lambda real, imaginary: (1.3 * real, imaginary))
    run = steps(lambda s: replace(s, counters=None))(turned(port()))
    assert failed(verdict_of(turned(port()))) == ["direction of gradients"]
    assert verdict_of(run, replace(SIM, place="real")).outcome == "pass"


def test_without_sketches_directions_are_not_asked_for() -> None:
    def bare(run: Run) -> Run:
        return fakes.each_rank(run, lambda rank: replace(rank, sketches={}))

    neither = verdict_of(bare(port()), baselines=(bare(fakes.run()),))
    assert check_of(neither, "direction of gradients").outcome == "unasked"
    assert verdict_of(bare(port())).outcome == "inconclusive"


def test_ranks_may_share_a_device_where_there_are_too_few() -> None:
    run = steps(lambda s: replace(s, devices={"sdaa:0": 5}))(port(GROUP))
    assert verdict_of(run, replace(GROUP, devices=1)).outcome == "pass"


def test_entries_for_the_log_are_not_held_to_the_limits() -> None:
    def accuracy(value: float) -> Change:
        return steps(lambda s: replace(s, losses={**s.losses, "acc": value}))

    verdict = verdict_of(accuracy(40.0)(port()), baselines=(accuracy(90.0)(fakes.run()),))
    assert verdict.outcome == "pass"
    nan = verdict_of(accuracy(math.nan)(port()), baselines=(accuracy(90.0)(fakes.run()),))
    assert failed(nan) == ["NaN or infinite"]


def test_a_small_part_is_held_to_the_whole_loss_in_half_precision_only() -> None:
    upstream, run = (steps(set_loss(v, "loss_aux")) for v in (0.020, 0.021))
    strict = verdict_of(run(port()), baselines=(upstream(fakes.run()),))
    half = verdict_of(run(port(HALF)), HALF, baselines=(upstream(fakes.run()),))
    assert (strict.outcome, half.outcome) == ("fail", "pass")


def test_near_zero_the_error_is_absolute() -> None:
    def aux(value: float) -> Change:
        return steps(set_loss(value, "loss_aux"))

    upstream = (aux(0.001)(fakes.run()),)
    assert verdict_of(aux(0.0059)(port()), baselines=upstream).outcome == "pass"
    assert verdict_of(aux(0.0061)(port()), baselines=upstream).outcome == "fail"


EVALUATIONS: dict[str, tuple[Change, str]] = {
    "mAP": (ended(metrics={**fakes.METRICS, "coco/bbox_mAP": 0.018}), "metrics"),
    "no metrics": (ended(metrics={}), "metrics"),
    "NaN": (ended(metrics={**fakes.METRICS, "coco/bbox_mAP": math.nan}), "metrics"),
    "boxes": (
        ended(detections={**fakes.DETECTIONS, "000000000001.jpg": (9, 1.41, 62.5)}),
        "boxes kept",
    ),
    "scores": (
        ended(detections={k: (n, 0.9 * s, c) for k, (n, s, c) in fakes.DETECTIONS.items()}),
        "scores of boxes",
    ),
    "places": (
        ended(detections={k: (n, s, c + 2) for k, (n, s, c) in fakes.DETECTIONS.items()}),
        "places of boxes",
    ),
    "an image": (ended(detections={"000000000001.jpg": (7, 1.41, 62.5)}), "boxes kept"),
}


@pytest.mark.parametrize(("change", "name"), EVALUATIONS.values(), ids=EVALUATIONS.keys())
def test_evaluations_are_compared_where_asked(change: Change, name: str) -> None:
    asked = replace(SIM, eval=True)
    assert failed(verdict_of(change(port()), asked)) == [name]
    assert verdict_of(change(port())).outcome == "pass"


def test_a_resumed_run_has_all_steps_and_all_updates() -> None:
    verdict = verdict_of(replace(port(), resumed=10))
    assert verdict.outcome == "pass"
    assert check_of(verdict, "resumed").value == "after step 10"
    half = replace(ended(updates={})(port()), resumed=10)
    assert failed(verdict_of(half)) == ["update per parameter"]


def test_a_changed_limit_is_marked() -> None:
    limits = thresholds(False, {"mean": 0.5, "first-step": 0.001})
    run = at(3, lambda s: fakes.scaled(s, 1.5))(port())
    verdict = judge(SIM, [fakes.run()], run, limits=limits)
    assert verdict.loosened == ("first-step", "mean")
    assert check_of(verdict, "mean over steps").limit == "< 50 % (loosened)"
    assert check_of(verdict, "first step").limit == "< 0.1 % (tightened)"


# Properties, over lengths, sizes and places.

lengths = st.integers(1, 80)


def sized(count: int) -> tuple[Asked, Run, Run]:
    return replace(SIM, steps=count), fakes.run(steps=count), fakes.run("sdaa", steps=count)


@given(lengths)
def test_identical_runs_always_pass(count: int) -> None:
    asked, upstream, run = sized(count)
    assert judge(asked, [upstream, upstream], run, [run], limits=STRICT).outcome == "pass"


@given(lengths, st.floats(0, 3), st.sampled_from(sorted(fakes.losses(1))))
def test_any_loss_scaled_beyond_the_limits_fails(count: int, factor: float, name: str) -> None:
    asked, upstream, run = sized(count)
    verdict = judge(
        asked, [upstream], steps(lambda s: fakes.scaled(s, factor, [name]))(run), limits=STRICT
    )
    if abs(factor - 1) > 0.0201:
        assert set(failed(verdict)) >= {"first step", "mean over steps", "bias of the last steps"}
    elif abs(factor - 1) < 0.0049:
        assert verdict.outcome == "pass"


@given(lengths, st.data())
def test_a_nan_anywhere_fails(count: int, data: st.DataObject) -> None:
    asked, upstream, run = sized(count)
    number = data.draw(st.integers(1, count))
    name = data.draw(st.sampled_from([*fakes.losses(1), "grad_norm"]))
    value = data.draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    spoil = (
        (lambda s: replace(s, grad_norm=value)) if name == "grad_norm" else set_loss(value, name)
    )
    assert judge(asked, [upstream], at(number, spoil)(run), limits=STRICT).outcome == "fail"


@given(lengths, st.data())
def test_dropping_or_swapping_any_step_fails(count: int, data: st.DataObject) -> None:
    asked, upstream, run = sized(count)
    dropped = without(run, data.draw(st.integers(1, count)))
    assert judge(asked, [upstream], dropped, limits=STRICT).outcome == "fail"
    order = data.draw(st.permutations(range(count)))
    shuffled = fakes.each_rank(run, lambda r: replace(r, steps=tuple(r.steps[i] for i in order)))
    expected = "pass" if list(order) == list(range(count)) else "fail"
    assert judge(asked, [upstream], shuffled, limits=STRICT).outcome == expected


@given(st.floats(0.011, 2), st.floats(-0.5, 0.5), st.sampled_from([False, True]))
def test_noise_above_a_threshold_is_never_a_pass(size: float, off: float, amp: bool) -> None:
    asked, limits = (HALF, AMP) if amp else (SIM, STRICT)
    upstream = fakes.run()
    run = steps(lambda s: fakes.scaled(s, 1 + off))(port(asked))
    verdict = judge(asked, [upstream, noisy(upstream, size)], run, limits=limits)
    assert verdict.outcome == "inconclusive"


@given(
    st.integers(1, STEPS),
    st.floats(-0.2, 0.2),
    st.floats(1, 50),
    st.sampled_from(["loss", "loss_cls", "grad_norm"]),
)
def test_a_larger_error_never_turns_a_fail_into_a_pass(
    number: int, off: float, more: float, name: str
) -> None:
    def bent(factor: float) -> Run:
        if name == "grad_norm":
            return at(number, lambda s: replace(s, grad_norm=s.grad_norm * factor))(port())
        return at(number, lambda s: fakes.scaled(s, factor, [name]))(port())

    small, large = (verdict_of(bent(1 + size)).outcome for size in (off, off * more))
    assert _ORDER.index(large) >= _ORDER.index(small)


@given(st.permutations(range(3)), st.permutations(range(3)), st.booleans())
def test_the_order_of_ranks_decides_nothing(one: list[int], other: list[int], bad: bool) -> None:
    asked = replace(SIM, ranks=3)
    upstream, run = fakes.run(ranks=3), fakes.run("sdaa", ranks=3)
    if bad:
        run = replace(run, ranks=(run.ranks[0], *noisy(run, 0.1).ranks[1:]))
    plain = judge(asked, [upstream], run, limits=STRICT)
    turned = judge(
        asked,
        [replace(upstream, ranks=tuple(upstream.ranks[i] for i in one))],
        replace(run, ranks=tuple(run.ranks[i] for i in other)),
        limits=STRICT,
    )
    assert (turned.outcome, failed(turned)) == (plain.outcome, failed(plain))


@pytest.mark.parametrize("node", [0, 1])
def test_each_machine_judges_its_own_ranks(node: int) -> None:
    asked = replace(SIM, ranks=2, nodes=2, node=node)
    upstream, whole = fakes.run(ranks=4), fakes.run("sdaa", ranks=4)
    own = replace(whole, ranks=whole.ranks[2 * node : 2 * node + 2])
    assert judge(asked, [upstream], own, limits=STRICT).outcome == "pass"
    other = replace(whole, ranks=whole.ranks[2 * (1 - node) :][:2])
    assert "came to its end" in failed(judge(asked, [upstream], other, limits=STRICT))


def test_a_lone_rank_of_several_machines_has_to_communicate() -> None:
    asked = replace(SIM, nodes=2, node=1)
    upstream, whole = fakes.run(ranks=2), fakes.run("sdaa", ranks=2)
    own = replace(whole, ranks=whole.ranks[1:])
    assert judge(asked, [upstream], own, limits=STRICT).outcome == "pass"
    silent = started(backend="")(own)
    assert failed(judge(asked, [upstream], silent, limits=STRICT)) == ["communication"]
