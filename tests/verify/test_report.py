"""``report.json``: valid, the same bytes for the same result, and all that varies in one place."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from porter.verify.judging.asked import Asked
from porter.verify.judging.thresholds import STRICT
from porter.verify.judging.verdict import judge
from porter.verify.model import Failure, Run, Verification
from porter.verify.report import report_text
from tests.verify import fakes

STEPS = 6


def verified(ported: Run, *, baselines: tuple[Run, ...] = ()) -> Verification:
    upstream = baselines or (fakes.run(steps=STEPS),)
    verdict = judge(Asked("sim", "sdaa", "tccl", STEPS), upstream, ported, limits=STRICT)
    return fakes.verification(upstream, ported, verdict)


def elsewhere(run: Run) -> Run:
    """The same result on a slower machine with other libraries."""
    slow = fakes.each_step(run, lambda step: replace(step, seconds=9.87654321, memory=123))
    return replace(
        fakes.each_rank(
            slow,
            lambda rank: replace(rank, start=replace(rank.start, environment={"torch": "2.4"})),  # type: ignore[type-var]
        ),
        cached=True,
    )


def test_it_holds_the_verdict_and_every_step() -> None:
    run = fakes.each_step(fakes.run("sdaa", steps=STEPS), lambda s: fakes.scaled(s, 0.5))
    report = json.loads(report_text(verified(run)))
    assert report["outcome"] == "fail"
    assert {c["name"]: c["value"] for c in report["checks"]}["mean over steps"] == "50 %"
    assert report["vendor_rule"] == {
        "mean_relative": -0.5,
        "mean_absolute": report["vendor_rule"]["mean_absolute"],
        "passes": True,
    }
    (ported,) = report["runs"]["ported"]
    assert [s["losses"]["loss"] for s in ported["ranks"][0]["steps"]] == [
        0.5 * fakes.losses(n)["loss"] for n in range(1, STEPS + 1)
    ]
    assert ported["ranks"][0]["steps"][0]["counters"]["new_signatures"] == 1138
    assert report["thresholds"]["mean"] == 0.01


def test_what_differs_by_machine_stands_under_one_key() -> None:
    here = verified(fakes.run("sdaa", steps=STEPS))
    there = verified(
        elsewhere(fakes.run("sdaa", steps=STEPS)), baselines=(elsewhere(fakes.run(steps=STEPS)),)
    )
    one, other = (json.loads(report_text(v)) for v in (here, replace(there, command="porter2")))
    assert one["machine"] != other["machine"]
    assert other["machine"]["ported"][0]["seconds"]["0"][0] == 9.8765
    del one["machine"], other["machine"]
    assert json.dumps(one) == json.dumps(other)


def test_the_same_result_is_the_same_bytes() -> None:
    def made() -> str:
        return report_text(verified(fakes.run("sdaa", steps=STEPS)))

    assert made() == made()
    assert made().endswith("}\n")


def test_json_has_no_nan() -> None:
    def spoil(step: fakes.Step) -> fakes.Step:
        return replace(step, losses={**step.losses, "loss": math.nan}, grad_norm=-math.inf)

    text = report_text(verified(fakes.at_step(fakes.run("sdaa", steps=STEPS), 2, spoil)))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    report = json.loads(text, parse_constant=refuse)
    step = report["runs"]["ported"][0]["ranks"][0]["steps"][1]
    assert (step["losses"]["loss"], step["grad_norm"]) == ("NaN", "-Infinity")


def test_a_failure_is_named_and_its_traceback_is_the_machines() -> None:
    run = fakes.each_rank(
        fakes.run("sdaa", steps=STEPS),
        lambda rank: replace(rank, end=None, failure=Failure("OSError", "no /x/y", "at /x/z.py:1")),
    )
    report = json.loads(report_text(verified(run)))
    assert report["runs"]["ported"][0]["ranks"][0]["failure"] == "OSError"
    assert report["machine"]["ported"][0]["failures"]["0"]["trace"] == "at /x/z.py:1"
