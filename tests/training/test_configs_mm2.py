"""Configs of mmdet 2.x shrunk for a smoke run, and set up at full size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from porter.training.config.mm2.full import set_up
from porter.training.config.mm2.smoke import shrink
from porter.training.errors import CannotTrain
from porter.training.job import Job
from tests.training.test_configs import data

__all__ = ["data"]


def dataset(split: str = "train", **more: Any) -> dict[str, Any]:
    return {
        "type": "CocoDataset",
        "ann_file": f"data/coco/annotations/instances_{split}2017.json",
        "img_prefix": f"data/coco/{split}2017/",
        "pipeline": [
            {"type": "Resize", "img_scale": (1333, 800)},
            {"type": "Pad", "size_divisor": 32},
        ],
        **more,
    }


def config(**more: Any) -> dict[str, Any]:
    return {
        "model": {
            "type": "FasterRCNN",
            "pretrained": "torchvision://resnet50",
            "backbone": {"type": "ResNet", "depth": 50, "frozen_stages": 1, "norm_eval": True},
            "neck": {"type": "FPN", "in_channels": [256, 512, 1024, 2048]},
            "train_cfg": {"rpn_proposal": {"nms_pre": 2000, "max_num": 1000}},
            "test_cfg": {"rcnn": {"score_thr": 0.05}},
        },
        "data": {
            "samples_per_gpu": 4,
            "workers_per_gpu": 2,
            "train": {"type": "RepeatDataset", "times": 3, "dataset": dataset()},
            "val": dataset("val", samples_per_gpu=2),
            "test": dataset("val"),
        },
        "optimizer": {"type": "SGD", "lr": 0.02},
        "optimizer_config": {"grad_clip": {"max_norm": 35}},
        "lr_config": {"policy": "step", "step": [8, 11]},
        "total_epochs": 12,
        "evaluation": {"interval": 1, "metric": ["bbox", "segm"]},
        "custom_hooks": [{"type": "EMAHook"}, {"type": "NumClassCheckHook"}],
        **more,
    }


def job(data: Path, **more: Any) -> Job:
    values: dict[str, Any] = {"task": "smoke", "trees": {}, "config": "c.py", "out": "/out"}
    return Job(**{**values, "data": str(data), "image_size": 128, **more})


def shrunk(data: Path, config: dict[str, Any], **more: Any) -> dict[str, Any]:
    shrink(config, job(data, **more), 1)
    return config


def test_nothing_is_downloaded_or_frozen(data: Path) -> None:
    model = shrunk(data, config())["model"]
    assert "pretrained" not in model
    assert (model["backbone"]["depth"], model["backbone"]["frozen_stages"]) == (18, -1)
    assert model["neck"]["in_channels"] == [64, 128, 256, 512]
    assert model["backbone"]["norm_eval"] is False


def test_boxes_are_few_and_all_are_detected(data: Path) -> None:
    model = shrunk(data, config())["model"]
    assert model["train_cfg"]["rpn_proposal"]["max_num"] == 100
    assert model["test_cfg"]["rcnn"]["score_thr"] == 0.0


def test_every_set_reads_the_folder(data: Path) -> None:
    sets = shrunk(data, config())["data"]
    leaf = sets["train"]["dataset"]
    assert leaf["ann_file"] == f"{data}/annotations/instances_train2017.json"
    assert leaf["img_prefix"] == f"{data}/train2017/"
    assert leaf["classes"] == ("cat", "dog", "bear")
    assert leaf["pipeline"][0]["img_scale"] == (128, 77)
    for part in ("val", "test"):
        assert sets[part]["ann_file"] == f"{data}/annotations/instances_val2017.json"
        assert "samples_per_gpu" not in sets[part]
    assert (sets["samples_per_gpu"], sets["workers_per_gpu"]) == (2, 0)


@pytest.mark.parametrize("leaf", [dataset(type="CityscapesDataset"), dataset(type="LVISDataset")])
def test_other_sets_are_stood_in_for(data: Path, leaf: dict[str, Any]) -> None:
    found = shrunk(data, config(data={"samples_per_gpu": 1, "train": leaf}))["data"]["train"]
    assert found["type"] == "CocoDataset"


@pytest.mark.parametrize(
    "leaf",
    [
        pytest.param(dataset(type="SomeDataset"), id="of an unknown kind"),
        pytest.param(
            dataset(pipeline=[{"type": "LoadAnnotations", "with_seg": True}]), id="with maps"
        ),
    ],
)
def test_what_the_folder_cannot_serve_is_refused(data: Path, leaf: dict[str, Any]) -> None:
    with pytest.raises(CannotTrain):
        shrunk(data, config(data={"samples_per_gpu": 1, "train": leaf}))


def test_one_epoch_of_a_constant_rate(data: Path) -> None:
    found = shrunk(data, config())
    assert found["runner"] == {"type": "EpochBasedRunner", "max_epochs": 1}
    assert "total_epochs" not in found
    assert found["lr_config"] == {"policy": "fixed"}
    assert found["optimizer"]["lr"] == pytest.approx(0.02 * 2 / 16)
    assert found["optimizer_config"] == {"grad_clip": {"max_norm": 0.3}}
    assert [hook["type"] for hook in found["custom_hooks"]] == ["NumClassCheckHook"]
    assert found["evaluation"]["metric"] == ["bbox", "segm"]
    assert found["fp16"] is None


def test_a_run_that_is_saved_and_the_one_that_goes_on(data: Path) -> None:
    saved = shrunk(data, config(), stop=25)
    assert saved["checkpoint_config"] == {
        "interval": 1,
        "filename_tmpl": "step-25.pth",
        "create_symlink": False,
    }
    resumed = shrunk(data, config(), resume="/out/step-25.pth")
    assert resumed["resume_from"] == "/out/step-25.pth"
    assert resumed["runner"]["max_epochs"] == 2


def test_mixed_precision_begins_with_a_scale_that_holds(data: Path) -> None:
    assert shrunk(data, config(), amp=True)["fp16"] == {"loss_scale": 512.0}


def test_full_size_keeps_the_config_but_for_what_is_asked(data: Path) -> None:
    found = config()
    set_up(
        found, job(data, task="train", epochs=3, batch_size=8, lr=0.5, workers=0, resume_from="/r")
    )
    assert found["runner"] == {"type": "EpochBasedRunner", "max_epochs": 3}
    assert found["data"]["samples_per_gpu"] == 8
    assert found["data"]["workers_per_gpu"] == 0
    assert found["data"]["train"]["dataset"]["pipeline"][0]["img_scale"] == (1333, 800)
    assert found["optimizer"]["lr"] == 0.5
    assert found["resume_from"] == "/r"
    assert found["model"]["pretrained"] == "torchvision://resnet50"


def test_epochs_of_a_config_that_counts_iterations_are_refused(data: Path) -> None:
    found = config(runner={"type": "IterBasedRunner", "max_iters": 9})
    with pytest.raises(CannotTrain, match="iterations"):
        set_up(found, job(data, task="train", epochs=3))
