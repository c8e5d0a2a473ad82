"""FSAF in static shapes is upstream's FSAF: targets, losses, gradients, and what a step asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.static.trees import Sides

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

PROBE = Path(__file__).parent / "fsaf_probe.py"
TARGETS = ("labels", "label weights", "box targets", "box weights")
#: After these many steps every shape of a step was met.
WARM_UP = 3

Answers = dict[str, Any]


@pytest.fixture(scope="module", params=["2.10.0", "2.11.0", "3.3.0"])
def sides(
    request: pytest.FixtureRequest, upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Sides:
    return Sides(PROBE, request.param, upstream_cache, tmp_path_factory.mktemp("fsaf"))


@pytest.fixture(scope="module")
def upstream(sides: Sides) -> Answers:
    return sides.computed("cpu")


@pytest.fixture(scope="module")
def ported(sides: Sides) -> Answers:
    return sides.computed("npu")


def pairs(upstream: Answers, ported: Answers, of: str) -> Iterator[tuple[str, Any, Any]]:
    """Every case with what both sides have of it, level by level."""
    assert upstream["answers"].keys() == ported["answers"].keys()
    for case, answer in upstream["answers"].items():
        left, right = answer[of], ported["answers"][case][of]
        assert len(left) == len(right)
        for level, (one, other) in enumerate(zip(left, right)):
            yield f"{case}, level {level}", one, other


def test_labels_weights_and_box_targets_are_identical(upstream: Answers, ported: Answers) -> None:
    for case, left, right in pairs(upstream, ported, "targets"):
        for name, one, other in zip(TARGETS, left, right):
            assert one.shape == other.shape, (case, name)
            assert one.dtype == other.dtype, (case, name)
            assert torch.equal(one, other), (case, name)


def test_the_same_anchors_stay_positive(upstream: Answers, ported: Answers) -> None:
    for case, one, other in pairs(upstream, ported, "positives"):
        assert one.dtype == other.dtype == torch.bool
        assert torch.equal(one, other), case


def test_losses_counts_and_recall_are_equal(upstream: Answers, ported: Answers) -> None:
    for case, answer in upstream["answers"].items():
        losses = ported["answers"][case]["losses"]
        assert answer["losses"].keys() == losses.keys()
        for name, values in answer["losses"].items():
            for one, other in zip(values, losses[name]):
                assert torch.allclose(one, other, rtol=1e-6, atol=0), (case, name)


def test_gradients_are_equal(upstream: Answers, ported: Answers) -> None:
    for case, one, other in pairs(upstream, ported, "gradients"):
        assert (one - other).abs().max() <= 1e-6 * one.abs().max(), case


def test_the_cases_are_what_they_are_called(upstream: Answers) -> None:
    """Positives, levels that lose against others, and anchors in a shadow are met at all."""
    met = upstream["answers"]
    counts = {case: float(met[case]["losses"]["num_pos"][0]) for case in met}
    assert counts["too small for any anchor, seed 0"] == 0
    assert counts["none in any image, seed 0"] == 0
    assert counts["as many as the limit, seed 0"] > 5
    recalls = {float(answer["losses"]["pos_recall"][0]) for answer in met.values()}
    assert len(recalls) > 10
    shadowed = met["wide shadows, seed 0"]["targets"]
    assert any(0 < weights.float().mean() < 1 for _, weights, _, _ in shadowed)
    outside = met["anchors in the padding, seed 0"]["targets"][0][1]
    assert (outside.sum(dim=-1) == 0).any()


def test_more_ground_truth_than_the_limit_is_refused(upstream: Answers, ported: Answers) -> None:
    assert upstream["above the limit"] == ""
    assert "13 ground truth boxes" in ported["above the limit"]
    assert "static_gt_limit" in ported["above the limit"]


def test_a_step_asks_for_no_shape_that_was_not_there_before(sides: Sides) -> None:
    """Varied images, ground truth and ignored boxes on one canvas, forward and backward."""
    steps = json.loads(sides.ask("npu", "shapes").read_text())
    assert [step["dynamic"] for step in steps] == [[]] * len(steps)
    assert [step["syncs"] for step in steps] == [[]] * len(steps)
    assert [step["new"] for step in steps[WARM_UP:]] == [[]] * (len(steps) - WARM_UP)


def test_upstream_asks_for_new_shapes_for_ever(sides: Sides) -> None:
    """What the rules are for; and a probe that finds nothing would prove nothing."""
    steps = json.loads(sides.ask("cpu", "shapes").read_text())
    assert all(len(step["new"]) > 20 for step in steps)
    assert all(len(step["dynamic"]) > 20 for step in steps)


def test_on_the_simulated_npu_steps_cost_no_compilation_and_are_the_hosts(sides: Sides) -> None:
    """It has no sum of int64; ground truth goes to the host and back, boxes and labels each."""
    steps = json.loads(sides.ask("npu", "chip").read_text())
    images = 2
    for step in steps:
        host, device = step["losses"]
        assert device == pytest.approx(host, rel=1e-6)
        assert step["dynamic"] == 0
        assert step["syncs"] == 2 * images
    assert [step["new"] for step in steps[WARM_UP:]] == [0] * (len(steps) - WARM_UP)


def test_sampling_results_are_there_for_who_asks(upstream: Answers, ported: Answers) -> None:
    for left, right in zip(upstream["sampled"], ported["sampled"]):
        assert left["numbers"] == right["numbers"]
        assert len(left["samples"]) == len(right["samples"]) == 2
        for one, other in zip(left["samples"], right["samples"]):
            assert all(torch.equal(a, b) for a, b in zip(one, other))
        assert all(torch.equal(a, b) for a, b in zip(left["tensors"], right["tensors"]))


def test_zero_weights_make_no_loss_and_no_error(
    sides: Sides, upstream: Answers, ported: Answers
) -> None:
    """mmdet 2 adds weights of shape (n,) up wrongly, which only n = 4 and n = 1 hide."""
    assert all(found == [0, 0] for found in ported["zero weights"].values())
    if sides.version.startswith("2."):
        assert "must match" in upstream["zero weights"]["GIoULoss of 7"]


def test_focal_losses_are_equal_in_every_precision_and_for_any_classes(
    upstream: Answers, ported: Answers
) -> None:
    for name, tensors in upstream["focal"].items():
        for one, other in zip(tensors, ported["focal"][name]):
            assert one.dtype == other.dtype, name
            assert torch.equal(one, other), name


def test_valid_flags_are_identical(upstream: Answers, ported: Answers) -> None:
    assert len(upstream["flags"]) >= 10
    for one, other in zip(upstream["flags"], ported["flags"]):
        assert one.dtype == other.dtype == torch.bool
        assert torch.equal(one, other)


def test_what_other_models_share_is_upstreams(upstream: Answers, ported: Answers) -> None:
    """No mask contract for samplers, no int32 in `unmap`, no `norm_eval` that is ignored."""
    assert ported["sources"] == upstream["sources"]
    assert "norm_eval" in ported["sources"]["ResNet.train"]
