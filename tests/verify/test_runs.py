"""Whole verifications and trainings, as a user makes them: few steps of small images.

What they hold is what the figures rest on: that both sides trained the same, that the port was
on its device, in the precision and over the backend that it was asked for.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from porter.errors import CouldNotRun
from porter.verify.data.dataset import write_synthetic_coco
from porter.verify.judging.verdict import IDENTICAL
from porter.verify.launch.process import Ranks
from porter.verify.model import Run, Verification
from porter.verify.records import read_rank
from porter.verify.train import TrainOutcome, TrainRequest, run_training
from porter.verify.watch import Silent
from tests.helpers import all_targets
from tests.verify.world import STEPS, World

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

BI_V150 = "reppoints/reppoints-moment_r101-dconv-c3-c5_fpn-gn_head-gn_2x_coco.py"


def problems(found: Verification) -> list[str]:
    return [
        f"{check.name}: {check.value} {check.detail}"
        for check in found.verdict.checks
        if check.outcome not in ("pass", "unasked")
    ]


def is_identical(found: Verification) -> bool:
    return any(check.detail == IDENTICAL for check in found.verdict.checks)


def places(run: Run) -> list[str]:
    return sorted({place for rank in run.ranks for step in rank.steps for place in step.devices})


@pytest.mark.parametrize(
    ("target", "model", "device"),
    [
        ("sdaa", "reppoints", "sdaa:0"),
        ("sdaa", "centernet", "sdaa:0"),
        ("sdaa", "faster_rcnn", "sdaa:0"),
        ("npu", "reppoints", "npu:0"),
        ("npu", "retinanet", "npu:0"),
    ],
)
def test_a_port_trains_as_upstream_does(world: World, target: str, model: str, device: str) -> None:
    found = world.verify(world.ported(target), model, target=None)
    assert problems(found) == []
    # torch_npu's own deformable convolution is simulated in plain PyTorch: equal but for rounding.
    assert is_identical(found) or (target, model) == ("npu", "reppoints")
    assert places(found.ported) == [device]
    (rank,) = found.ported.ranks
    assert [step.number for step in rank.steps] == list(range(1, STEPS + 1))
    assert all(step.counters and step.counters.op_calls > 1000 for step in rank.steps)


def test_a_cuda_compatible_port_does_on_the_host_what_upstream_does(world: World) -> None:
    """Resumed too: its stack's torch is older than the one that refuses such checkpoints."""
    # Of smaller images the last stage is smaller than the kernel of its convolutions.
    found = world.verify(world.ported("bi_v150"), BI_V150, target=None, resume=True, image_size=128)
    assert problems(found) == []
    assert is_identical(found)
    assert (found.device, places(found.ported), found.ported.resumed) == ("cpu", ["cpu"], 1)


def test_in_mixed_precision(world: World) -> None:
    found = world.verify(world.ported(), "reppoints", amp=True)
    assert problems(found) == []
    (rank,) = found.ported.ranks
    assert rank.start
    assert (rank.start.wrapper, rank.start.scaler) == ("AmpOptimWrapper", True)
    assert all(step.low_precision == step.modules > 30 for step in rank.steps)
    assert places(found.ported) == ["sdaa:0"]


def test_resumed_half_way(world: World) -> None:
    found = world.verify(world.ported(), "reppoints", resume=True)
    assert problems(found) == []
    assert is_identical(found)
    assert found.ported.resumed == 1
    (rank,), (own,) = found.ported.ranks, found.baselines[0].ranks
    assert rank.end
    assert own.end
    assert (rank.end.weights, rank.end.updates) == (own.end.weights, own.end.updates)


def test_evaluated_after_training(world: World) -> None:
    found = world.verify(world.ported(), "reppoints", eval=True)
    assert problems(found) == []
    (rank,), (own,) = found.ported.ranks, found.baselines[0].ranks
    assert rank.end
    assert own.end
    assert "coco/bbox_mAP" in rank.end.metrics
    assert rank.end.metrics == own.end.metrics
    assert rank.end.detections == own.end.detections
    assert sum(kept for kept, *_ in rank.end.detections.values()) > 0


def test_on_two_devices(world: World) -> None:
    found = world.verify(world.ported(), "centernet", nproc=2)
    assert problems(found) == []
    assert is_identical(found)
    assert places(found.ported) == ["sdaa:0", "sdaa:1"]
    assert [rank.start.backend for rank in found.ported.ranks if rank.start] == ["tccl"] * 2
    one, other = found.ported.ranks
    assert one.steps[0].data != other.steps[0].data
    assert one.end
    assert other.end
    assert one.end.parameters == other.end.parameters != ""


#: CenterNet's own config, made light: no download, six images once, crops of 128 pixels.
LIGHT = (
    "model.backbone.init_cfg=None",
    "train_dataloader.dataset.times=1",
    "train_dataloader.dataset.dataset.indices=6",
    "train_dataloader.dataset.dataset.pipeline.3.crop_size=(128,128)",
    "train_dataloader.dataset.dataset.pipeline.4.scale=(128,128)",
)


@pytest.fixture(scope="session")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "coco"
    write_synthetic_coco(folder)
    return folder


@pytest.fixture(scope="session")
def full_size(world: World, coco: Path) -> Callable[..., TrainOutcome]:
    """Train or evaluate CenterNet on the simulated SDAA."""

    def run(task: str, **asked: Any) -> TrainOutcome:
        values: dict[str, Any] = {
            "device": "sim",
            "data": coco,
            "python": world.python,
            "workers": 0,
            **asked,
        }
        request = TrainRequest(
            task,  # type: ignore[arg-type]
            "centernet",
            world.ported(),
            all_targets(),
            **values,
        )
        return run_training(request, world.cache, Silent())

    return run


@pytest.fixture(scope="session")
def trained(
    full_size: Callable[..., TrainOutcome], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The work folder of an epoch on two machines, both of them this one."""
    work = tmp_path_factory.mktemp("work")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def node(number: int) -> TrainOutcome:
        ranks = Ranks(1, 2, number, "127.0.0.1", port)
        return full_size(
            "train",
            work=work,
            ranks=ranks,
            epochs=1,
            batch_size=2,
            lr=0.002,
            seed=7,
            amp=True,
            options=(*LIGHT, "train_cfg.val_interval=5"),
        )

    with ThreadPoolExecutor(2) as machines:
        outcomes = list(machines.map(node, range(2)))
    assert [outcome.steps for outcome in outcomes] == [2, 2], "six images, two ranks, two a step"
    return work


def test_a_training_reaches_every_rank(trained: Path) -> None:
    ranks = [read_rank(trained, number) for number in range(2)]
    for rank in ranks:
        assert rank.start
        assert rank.end
        assert rank.start.backend == "tccl"
        assert (rank.start.wrapper, rank.start.scaler) == ("AmpOptimWrapper", True)
        assert [list(step.devices) for step in rank.steps] == [["sdaa:0"]] * 2
    assert ranks[0].steps[0].losses != ranks[1].steps[0].losses, "from other images"
    assert (trained / "epoch_1.pth").is_file()
    assert {file.name for file in trained.glob("output*")} == {"output-0.log", "output-1.log"}


def test_every_option_reaches_mmengine(trained: Path) -> None:
    config = config_in(trained)
    assert config["train_cfg"] == {
        "type": "EpochBasedTrainLoop",
        "max_epochs": 1,
        "val_interval": 5,
    }
    wrapper, loader = config["optim_wrapper"], config["train_dataloader"]
    assert (wrapper["type"], wrapper["dtype"]) == ("AmpOptimWrapper", "float16")
    assert wrapper["optimizer"]["lr"] == 0.002
    assert (loader["batch_size"], loader["num_workers"]) == (2, 0)
    assert loader["dataset"]["dataset"]["indices"] == 6
    assert config["val_dataloader"]["batch_size"] == 1
    assert config["randomness"]["seed"] == 7
    assert config["work_dir"] == str(trained)
    assert config["launcher"] == "pytorch"


def config_in(work: Path) -> dict[str, Any]:
    """The config that mmengine says it trained by."""
    (path,) = work.glob("centernet*.py")
    values: dict[str, Any] = {}
    exec(path.read_text(encoding="utf-8"), values)
    return values


def test_a_checkpoint_is_evaluated_and_trained_on(
    full_size: Callable[..., TrainOutcome], trained: Path, tmp_path: Path
) -> None:
    checkpoint = trained / "epoch_1.pth"
    found = full_size("eval", work=tmp_path / "eval", checkpoint=checkpoint, ranks=Ranks(nproc=2))
    ranks = [read_rank(tmp_path / "eval", number) for number in range(2)]
    ends = [rank.end for rank in ranks if rank.end]
    assert {end.weights for end in ends} == {read_end_weights(trained)}
    assert "coco/bbox_mAP" in found.metrics
    assert sum(len(end.detections) for end in ends) >= 8, "all images of val2017"

    full_size(
        "train",
        work=tmp_path / "more",
        epochs=2,
        batch_size=2,
        amp=True,
        resume=checkpoint,
        options=(*LIGHT, "train_cfg.val_interval=5"),
    )
    again = read_rank(tmp_path / "more", 0)
    assert again.start
    assert again.start.weights == read_end_weights(trained)
    assert [step.number for step in again.steps] == [3, 4, 5], "the second epoch, on one device"
    assert (tmp_path / "more/epoch_2.pth").is_file()


def read_end_weights(work: Path) -> str:
    end = read_rank(work, 0).end
    assert end
    return end.weights


def test_a_training_that_fails_says_why_and_where_all_of_it_is(
    full_size: Callable[..., TrainOutcome], tmp_path: Path
) -> None:
    with pytest.raises(CouldNotRun, match=r"(?s)KeyError.*NoSuchHead") as caught:
        full_size(
            "train",
            work=tmp_path,
            options=("model.backbone.init_cfg=None", "model.bbox_head.type=NoSuchHead"),
        )
    assert str(tmp_path / "output.log") in caught.value.hint
    assert "NoSuchHead" in (tmp_path / "output.log").read_text(encoding="utf-8")


def test_full_size_does_not_stray_from_the_chip(
    full_size: Callable[..., TrainOutcome], tmp_path: Path
) -> None:
    with pytest.raises(CouldNotRun, match="cannot use a sdaa device") as caught:
        full_size("train", work=tmp_path, device="auto")
    assert "--device sim" in caught.value.hint
