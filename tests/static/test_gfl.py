"""GFL in static shapes is upstream's GFL: assignments, targets, losses, gradients, what a step asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.static.trees import Sides

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

PROBE = Path(__file__).parent / "gfl_probe.py"
HEADS = ("GFLHead", "GFocalHead")
TARGETS = ("anchors", "labels", "label weights", "box targets", "number of positives")
#: After these many steps every shape of a step was met.
WARM_UP = 3

Answers = dict[str, Any]


@pytest.fixture(scope="module", params=["2.10.0", "2.11.0", "3.3.0"])
def sides(
    request: pytest.FixtureRequest, upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Sides:
    return Sides(PROBE, request.param, upstream_cache, tmp_path_factory.mktemp("gfl"))


@pytest.fixture(scope="module")
def upstream(sides: Sides) -> Answers:
    return sides.computed("cpu")


@pytest.fixture(scope="module")
def ported(sides: Sides) -> Answers:
    return sides.computed("npu")


def without_positives(answer: Answers) -> bool:
    """Whether upstream of mmdet 2 divides 0 by 0 here."""
    return any(bool(value.isnan()) for found in answer["losses"].values() for value in found)


def test_any_caller_gets_the_assignment_it_got(upstream: Answers, ported: Answers) -> None:
    """GF30 of the hand port makes anchor 0 a positive of the first box in most images."""
    for case, one in upstream["assigned"].items():
        other = ported["assigned"][case]
        assert one["num_gts"] == other["num_gts"]
        for name in ("gt_inds", "max_overlaps", "labels"):
            assert one[name].dtype == other[name].dtype, (case, name)
            assert torch.equal(one[name], other[name]), (case, name)


def test_targets_of_all_anchors_are_identical(upstream: Answers, ported: Answers) -> None:
    """Invalid anchors too, which the hand port trains as background (GF51, GF56)."""
    for case, answer in upstream["heads"].items():
        for one, other in zip(answer["targets"], ported["heads"][case]["targets"]):
            for name, left, right in zip(TARGETS, one, other):
                assert left.dtype == right.dtype, (case, name)
                assert torch.equal(left, right), (case, name)


def test_losses_are_equal(upstream: Answers, ported: Answers) -> None:
    for case, answer in upstream["heads"].items():
        if not without_positives(answer):
            check_losses(case, answer, ported["heads"][case])


def check_losses(case: str, answer: Answers, other: Answers) -> None:
    assert answer["losses"].keys() == other["losses"].keys()
    for name, values in answer["losses"].items():
        for one, another in zip(values, other["losses"][name]):
            assert torch.allclose(one, another, rtol=1e-6, atol=0), (case, name)


def test_gradients_are_equal(upstream: Answers, ported: Answers) -> None:
    for case, answer in upstream["heads"].items():
        if not without_positives(answer):
            check_gradients(case, answer, ported["heads"][case])


def check_gradients(case: str, answer: Answers, other: Answers) -> None:
    for one, another in zip(answer["gradients"], other["gradients"]):
        assert (one is None) == (another is None), case
        if one is not None:
            assert (one - another).abs().max() <= 1e-6 * one.abs().max(), case


def test_without_positives_there_is_a_loss(
    sides: Sides, upstream: Answers, ported: Answers
) -> None:
    """Upstream of mmdet 2 has NaN, the hand port no `item` of an int (GF48)."""
    none = [case for case, answer in upstream["heads"].items() if without_positives(answer)]
    assert any(case.startswith("GFLHead") for case in none) == (sides.version < "3")
    for case in [*none, "GFLHead: no positives, seed 0", "GFocalHead: none in any image, seed 0"]:
        losses = ported["heads"][case]["losses"]
        for one, other in zip(upstream["heads"][case]["losses"]["loss_cls"], losses["loss_cls"]):
            assert torch.allclose(one, other, rtol=1e-6, atol=0), case
        assert not any(losses["loss_bbox"] + losses["loss_dfl"]), case
        gradients = ported["heads"][case]["gradients"]
        assert all(each.isfinite().all() for each in gradients if each is not None), case


def test_the_cases_are_what_they_are_called(upstream: Answers) -> None:
    """Positives, ignored and invalid anchors, and an image without ground truth are met at all."""
    met = upstream["heads"]

    def weights(case: str) -> Any:
        return torch.cat([level[2] for level in met[f"GFLHead: {case}, seed 0"]["targets"]], dim=1)

    def positives(case: str) -> float:
        return float(met[f"GFLHead: {case}, seed 0"]["targets"][0][-1])

    assert positives("as many as the limit") > 20
    assert positives("no positives") == 2  # one each, as it is never divided by 0
    assert (weights("some ground truth") == 1).all()
    assert (weights("ignored boxes") == 0).any()
    assert (weights("ignored boxes, no ground truth")[0] == 1).all()
    assert (weights("anchors in the padding") == 0).float().mean() > 0.3
    assert (weights("weighted positives") == 2.5).any()


def test_quality_focal_loss_is_equal(upstream: Answers, ported: Answers) -> None:
    for case, (one, gradient) in upstream["focal"].items():
        other, another = ported["focal"][case]
        assert torch.allclose(one, other, rtol=1e-6, atol=0), case
        assert (gradient - another).abs().max() <= 1e-6 * gradient.abs().max(), case


def test_other_heads_train_as_before(sides: Sides, upstream: Answers, ported: Answers) -> None:
    heads = {case.partition(":")[0] for case in upstream["others"]}
    assert heads == {"ATSSHead", "RetinaHead", "RPNHead"} | (
        set() if sides.version == "2.10.0" else {"LDHead"}
    )
    for case, answer in upstream["others"].items():
        check_losses(case, answer, ported["others"][case])
        check_gradients(case, answer, ported["others"][case])


@pytest.mark.parametrize("head", HEADS)
def test_more_ground_truth_than_the_limit_is_refused(
    head: str, upstream: Answers, ported: Answers
) -> None:
    """The hand port truncates (GF46)."""
    assert upstream["above the limit"][head] == ""
    assert "13 ground truth boxes" in ported["above the limit"][head]
    assert "static_gt_limit" in ported["above the limit"][head]


@pytest.fixture(scope="module")
def steps(sides: Sides) -> dict[str, Any]:
    """Target -> head -> what each step asked for."""
    if sides.version == "2.11.0":
        pytest.skip("as 2.10.0")
    return {t: json.loads(sides.ask(t, "shapes").read_text()) for t in ("cpu", "npu")}


@pytest.mark.parametrize("head", HEADS)
def test_a_step_asks_for_no_shape_that_was_not_there_before(
    head: str, steps: dict[str, Any]
) -> None:
    """Varied images, ground truth and ignored boxes on one canvas, forward and backward."""
    found = steps["npu"][head]
    assert [step["dynamic"] for step in found] == [[]] * len(found)
    assert [step["new"] for step in found[WARM_UP:]] == [[]] * (len(found) - WARM_UP)


@pytest.mark.parametrize("head", HEADS)
def test_no_step_sums_integers(head: str, steps: dict[str, Any]) -> None:
    """The NPU has no sum of int64; upstream counts anchors by it."""
    assert all(step["sums"] == [] for step in steps["npu"][head])
    assert all(step["sums"] for step in steps["cpu"][head])


@pytest.mark.parametrize("head", HEADS)
def test_upstream_asks_for_new_shapes_for_ever(head: str, steps: dict[str, Any]) -> None:
    """What the rules are for; and a probe that finds nothing would prove nothing."""
    assert all(len(step["new"]) > 20 for step in steps["cpu"][head])
    assert all(len(step["dynamic"]) >= 20 for step in steps["cpu"][head])
