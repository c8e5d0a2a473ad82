"""GFocalV2's head is what the papers say, with the names that its checkpoints have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.static.trees import asked, written

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

PROBE = Path(__file__).parent / "gfocal_probe.py"


@pytest.fixture(scope="module", params=["2.10.0", "2.11.0", "3.3.0"])
def packages(
    request: pytest.FixtureRequest, upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Upstream with the plugin alone, as the reference of a verification has it."""
    folder = tmp_path_factory.mktemp("gfocal")
    return written(folder / "packages", upstream_cache, "cpu", request.param)


@pytest.fixture(scope="module")
def parts(packages: Path, upstream_cache: Path) -> dict[str, Any]:
    out = packages.parent / "parts"
    found: dict[str, Any] = torch.load(asked(PROBE, packages, "parts", out, upstream_cache))
    return found


def test_scores_losses_and_gradients_are_the_papers(packages: Path, upstream_cache: Path) -> None:
    out = packages.parent / "derived"
    for found in torch.load(asked(PROBE, packages, "derived", out, upstream_cache)):
        for name, (ours, by_hand) in found.items():
            assert len(ours) == len(by_hand) > 2
            for one, other in zip(ours, by_hand):
                assert (one - other).abs().max() <= 2e-5 * other.abs().max() + 1e-9, name
        assert all(value > 0 for value in found["losses"][0])


def test_parameters_are_called_as_in_its_checkpoints(parts: dict[str, Any]) -> None:
    assert parts["config"]["detector"] == ("GFL", "ResNet", "FPN")
    shapes = parts["config"]["parameters"]
    assert {
        name: shape for name, shape in shapes.items() if name.startswith(("reg_conf", "gfl"))
    } == {
        "gfl_cls.weight": (81, 256, 3, 3),
        "gfl_cls.bias": (81,),
        "gfl_reg.weight": (68, 256, 3, 3),
        "gfl_reg.bias": (68,),
        "reg_conf.0.weight": (64, 20, 1, 1),
        "reg_conf.0.bias": (64,),
        "reg_conf.2.weight": (1, 64, 1, 1),
        "reg_conf.2.bias": (1,),
    }


def test_predictions_are_those_of_gfl_for_its_scores(parts: dict[str, Any]) -> None:
    """The class that is one too many is left out; nothing is squashed a second time."""
    ours, plain = parts["predictions"]["GFocalHead"], parts["predictions"]["GFLHead"]
    assert len(ours) == len(plain) == 2
    for one, other in zip(ours, plain):
        for left, right in zip(one, other):
            assert left.shape == right.shape
            assert torch.allclose(left.float(), right.float(), rtol=1e-4, atol=1e-6)


def test_a_canvas_pads_to_its_size_and_keeps_what_is_valid(parts: dict[str, Any]) -> None:
    canvas = parts["canvas"]
    assert tuple(canvas["shape"]) == (8, 12)
    assert canvas["sum"] == 4 * 6
    assert tuple(canvas["pad_shape"]) == (4, 6)


def test_what_does_not_fit_the_canvas_is_refused(parts: dict[str, Any]) -> None:
    assert "does not fit the static canvas of 8x12" in parts["canvas"]["refused"]


def test_another_loss_is_refused(parts: dict[str, Any]) -> None:
    assert "QualityFocalLoss, not by FocalLoss" in parts["refused"]
