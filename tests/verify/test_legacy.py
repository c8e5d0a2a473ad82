"""mmcv 1.2.7 and mmdet 2.10.0, ported to NPU: verified, trained and evaluated as a user does it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from porter.render.shapes import shape_rows
from porter.verify.data.dataset import write_synthetic_coco
from porter.verify.launch.process import Ranks
from porter.verify.model import Verification
from porter.verify.ported import default_set
from porter.verify.train import TrainOutcome, TrainRequest, run_training
from porter.verify.trees import OWN_CONFIGS
from porter.verify.watch import Silent
from tests.helpers import all_targets
from tests.verify.test_fails import details
from tests.verify.test_runs import is_identical, places, problems
from tests.verify.world import STEPS, World, replaced

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

#: Where the port computes FSAF's losses without shapes that depend on the data.
DENSE = "mmdet/mmdet/models/dense_heads/fsaf_dense.py"


#: So that shapes may settle; FSAF always, as upstream's runs are shared then.
WARM = 5


def fsaf(world: World, into: Path, **asked: Any) -> Verification:
    return world.verify(into, "fsaf", **{"target": all_targets()["npu"], "steps": WARM, **asked})


def test_gfocalv2_trains_as_upstream_does(world: World) -> None:
    found = world.verify(world.legacy(), "gfocalv2", target=None)
    assert problems(found) == []
    assert is_identical(found)
    assert places(found.ported) == ["npu:0"]
    assert set(found.versions) == {"mmcv", "mmdet"}


def test_fsaf_does_and_its_shapes_settle_where_upstreams_do_not(world: World) -> None:
    """Images and objects of several sizes, on a canvas of one size on both sides."""
    found = fsaf(world, world.legacy(), target=None)
    assert problems(found) == []
    assert is_identical(found)
    assert found.counted
    (ours,), (theirs,) = found.counted.ranks, found.ported.ranks
    upstream = [step.counters for step in ours.steps if step.counters]
    port = [step.counters for step in theirs.steps if step.counters]
    assert len(upstream) == len(port) == WARM
    assert all(one.dynamic_shape_ops == 0 for one in port)
    assert all(one.dynamic_shape_ops > 20 for one in upstream)
    assert max(one.new_signatures for one in port[3:]) <= 2
    assert max(one.new_signatures for one in upstream[3:]) > 10
    assert next(row[2] for row in shape_rows(found)) == "0"


def test_in_mixed_precision(world: World) -> None:
    found = fsaf(world, world.legacy(), amp=True)
    assert problems(found) == []
    (rank,) = found.ported.ranks
    assert rank.start
    assert rank.start.wrapper == "Fp16OptimizerHook"
    assert all(step.loss_scale == 512 for step in rank.steps)


def test_on_two_devices_resumed_half_way_and_evaluated(world: World) -> None:
    found = fsaf(world, world.legacy(), nproc=2, resume=True, eval=True, steps=STEPS)
    assert problems(found) == []
    assert is_identical(found)
    assert places(found.ported) == ["npu:0", "npu:1"]
    assert [rank.start.backend for rank in found.ported.ranks if rank.start] == ["hccl"] * 2
    assert found.ported.resumed == 1
    theirs, ours = found.ported.ranks[0].end, found.baselines[0].ranks[0].end
    assert theirs
    assert ours
    assert theirs.weights == ours.weights
    assert theirs.metrics == ours.metrics
    assert "bbox_mAP" in theirs.metrics
    assert theirs.detections == ours.detections
    assert len(theirs.detections) == 8, "all images of val2017, gathered from both ranks"


def test_a_halved_loss_fails(world: World) -> None:
    half = replaced(
        "loss / avg_factor for loss in losses_bbox", "loss / avg_factor / 2 for loss in losses_bbox"
    )
    found = details(fsaf(world, world.copy("legacy-half", {DENSE: half}, world.legacy())))
    assert "loss_bbox" in found["first step"]


def test_releases_that_nobody_ported_fail(world: World) -> None:
    found = details(fsaf(world, world.legacy_unported()))
    assert "came to its end" in found


def test_what_is_ported_where_no_folder_is_named() -> None:
    targets = all_targets()
    assert default_set("fsaf", targets["npu"]) == "legacy"
    assert default_set("gfocalv2", targets["npu"]) == "legacy"
    assert default_set("fsaf", targets["sdaa"]) == "default"
    assert default_set("retinanet", targets["npu"]) == "default"


@pytest.fixture(scope="session")
def full_size(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., TrainOutcome]:
    """Train or evaluate FSAF on the simulated NPU."""
    coco = tmp_path_factory.mktemp("data") / "coco"
    write_synthetic_coco(coco)

    def run(task: str, **asked: Any) -> TrainOutcome:
        values: dict[str, Any] = {
            "device": "sim",
            "data": coco,
            "python": world.python,
            "workers": 0,
            **asked,
        }
        return run_training(
            TrainRequest(task, LIGHT, world.legacy(), all_targets(), **values),  # type: ignore[arg-type]
            world.cache,
            Silent(),
        )

    return run


LIGHT = str(OWN_CONFIGS / "fsaf/fsaf_r50_fpn_1x_coco.py")
#: Small images, no download, no evaluation in the midst.
OPTIONS = (
    "model.pretrained=None",
    "model.backbone.depth=18",
    "model.neck.in_channels=[64,128,256,512]",
    "data.train.pipeline.2.img_scale=(64,64)",
    "data.test.pipeline.1.img_scale=(64,64)",
    "model.test_cfg.score_thr=0.0",
    "evaluation.interval=9",
)


def test_a_training_is_tuned_from_its_checkpoint_and_evaluated(
    full_size: Callable[..., TrainOutcome], tmp_path: Path
) -> None:
    first = full_size("train", work=tmp_path / "one", epochs=1, batch_size=12, options=OPTIONS)
    checkpoint = tmp_path / "one" / "epoch_1.pth"
    assert checkpoint.is_file()
    assert first.steps >= STEPS
    tuned = full_size(
        "train", work=tmp_path / "two", epochs=1, batch_size=12, checkpoint=checkpoint, lr=1e-4,
        options=OPTIONS,
    )  # fmt: skip
    assert tuned.steps == first.steps
    again = full_size(
        "eval", work=tmp_path / "eval", checkpoint=checkpoint, options=OPTIONS, ranks=Ranks(2)
    )
    assert "bbox_mAP" in again.metrics
