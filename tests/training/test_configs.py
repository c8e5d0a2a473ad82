"""Configs pointed at data, shrunk for a smoke run, and set up at full size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from porter.training.config.data import leaves, point_at
from porter.training.config.full import set_up
from porter.training.config.smoke import shrink
from porter.training.config.walk import kind, plain
from porter.training.errors import CannotTrain
from porter.training.job import Job

NAMES = ("cat", "dog", "bear")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A COCO folder with three classes, of which bears are met most often."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        (root / f"{split}2017").mkdir()
        document = {
            "categories": [{"id": n + 1, "name": name} for n, name in enumerate(NAMES)],
            "annotations": [{"category_id": n} for n in (3, 3, 2)],
        }
        path = root / f"annotations/instances_{split}2017.json"
        path.write_text(json.dumps(document), encoding="utf-8")
    return root


def dataset(split: str = "train", **more: Any) -> dict[str, Any]:
    return {
        "type": "CocoDataset",
        "data_root": "data/coco/",
        "ann_file": f"annotations/instances_{split}2017.json",
        "data_prefix": {"img": f"{split}2017/"},
        "pipeline": [{"type": "Resize", "scale": (1333, 800)}],
        **more,
    }


def config(**more: Any) -> dict[str, Any]:
    metric = {
        "type": "CocoMetric",
        "ann_file": "data/coco/annotations/instances_val2017.json",
        "metric": ["bbox", "segm"],
    }
    return {
        "model": {
            "type": "RetinaNet",
            "backbone": {"type": "ResNet", "depth": 50, "init_cfg": {"type": "Pretrained", "checkpoint": "torchvision://resnet50"}},
            "neck": {"type": "FPN", "in_channels": [256, 512, 1024, 2048], "norm_cfg": {"type": "SyncBN"}},
            "bbox_head": {"num_classes": 80, "init_cfg": {"type": "Normal", "std": 0.01}},
            "test_cfg": {"score_thr": 0.05},
        },
        "train_dataloader": {"batch_size": 2, "num_workers": 2, "persistent_workers": True, "dataset": dataset()},
        "val_dataloader": {"batch_size": 1, "num_workers": 2, "dataset": dataset("val", test_mode=True)},
        "test_dataloader": {"batch_size": 1, "num_workers": 2, "dataset": dataset("val", ann_file="annotations/image_info_test-dev2017.json")},
        "val_evaluator": plain(metric),
        "test_evaluator": {**metric, "format_only": True},
        "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 12},
        "val_cfg": {"type": "ValLoop"},
        "test_cfg": {"type": "TestLoop"},
        "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.02}, "clip_grad": {"max_norm": 35}, "accumulative_counts": 4},
        "param_scheduler": [{"type": "LinearLR"}],
        "auto_scale_lr": {"enable": False, "base_batch_size": 16},
        "custom_hooks": [{"type": "EMAHook"}, {"type": "mmdet.engine.hooks.SetEpochInfoHook"}],
        "load_from": "https://example.org/weights.pth",
        **more,
    }  # fmt: skip


def job(data: Path, **more: Any) -> Job:
    return Job(
        **{"task": "smoke", "trees": {}, "config": "c.py", "out": "", "data": str(data), **more}
    )


def shrunk(data: Path, world: int = 1, /, **more: Any) -> dict[str, Any]:
    made = config()
    shrink(made, job(data, **more), world)
    return made


def test_no_weights_are_downloaded_and_the_models_own_start_stays(data: Path) -> None:
    made = shrunk(data)
    assert "init_cfg" not in made["model"]["backbone"]
    assert made["model"]["bbox_head"]["init_cfg"] == {"type": "Normal", "std": 0.01}
    assert made["load_from"] is None


def test_the_learning_rate_is_in_proportion_to_the_batch(data: Path) -> None:
    assert shrunk(data)["optim_wrapper"]["optimizer"]["lr"] == pytest.approx(0.02 * 2 / 16)
    assert shrunk(data, 3)["optim_wrapper"]["optimizer"]["lr"] == pytest.approx(0.02 * 6 / 16)
    assert shrunk(data, lr=0.5)["optim_wrapper"]["optimizer"]["lr"] == 0.5


def test_it_acts_at_once_and_each_step_updates(data: Path) -> None:
    made = shrunk(data)
    assert made["param_scheduler"] is None
    assert made["auto_scale_lr"] is None
    assert made["optim_wrapper"]["clip_grad"] == {"max_norm": 0.3}
    assert "accumulative_counts" not in made["optim_wrapper"]


def test_amp_only_where_asked(data: Path) -> None:
    assert shrunk(data)["optim_wrapper"]["type"] == "OptimWrapper"
    wrapper = shrunk(data, amp=True, amp_dtype="bfloat16")["optim_wrapper"]
    assert (wrapper["type"], wrapper["dtype"]) == ("AmpOptimWrapper", "bfloat16")
    assert wrapper["loss_scale"] == {"init_scale": 512.0}


def test_hooks_that_change_weights_or_pipelines_go_and_others_stay(data: Path) -> None:
    assert [kind(hook) for hook in shrunk(data)["custom_hooks"]] == ["SetEpochInfoHook"]


def test_no_evaluation_unless_asked_and_then_of_every_box(data: Path) -> None:
    assert shrunk(data)["val_dataloader"] is None
    made = shrunk(data, eval=True)
    assert made["val_evaluator"]["metric"] == ["bbox", "segm"]
    assert made["val_evaluator"]["ann_file"] == str(data / "annotations/instances_val2017.json")
    assert made["model"]["test_cfg"]["score_thr"] == 0.0
    assert made["val_dataloader"]["dataset"]["test_mode"] is True


def test_synchronized_norms_become_plain_ones(data: Path) -> None:
    assert shrunk(data)["model"]["neck"]["norm_cfg"]["type"] == "BN"


def test_a_model_of_few_classes_gets_those_met_most_often(data: Path) -> None:
    made = config()
    made["model"]["bbox_head"]["num_classes"] = 2
    shrink(made, job(data), 1)
    assert made["train_dataloader"]["dataset"]["metainfo"] == {"classes": ("dog", "bear")}


def test_data_sets_inside_wrappers_are_found(data: Path) -> None:
    inner = {"type": "ConcatDataset", "datasets": [dataset(), dataset(type="LVISV1Dataset")]}
    made = config()
    made["train_dataloader"]["dataset"] = {"type": "RepeatDataset", "times": 3, "dataset": {"type": "ClassBalancedDataset", "dataset": inner}}  # fmt: skip
    shrink(made, job(data), 1)
    found = list(leaves(made["train_dataloader"]["dataset"]))
    assert [leaf["type"] for leaf in found] == ["CocoDataset", "CocoDataset"]
    assert {leaf["data_root"] for leaf in found} == {f"{data}/"}
    assert found[1]["pipeline"][0]["scale"] == (128, 77)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"type": "CocoPanopticDataset"}, "CocoPanopticDataset"),
        ({"pipeline": [{"type": "LoadAnnotations", "with_seg": True}]}, "segmentation maps"),
    ],
)
def test_what_the_synthetic_set_has_not_is_said(
    data: Path, changed: dict[str, Any], words: str
) -> None:
    made = config()
    made["train_dataloader"]["dataset"] = dataset(**changed)
    with pytest.raises(CannotTrain, match=words):
        shrink(made, job(data), 1)


def test_a_config_that_trains_nothing_is_said(data: Path) -> None:
    with pytest.raises(CannotTrain, match="no train_dataloader"):
        shrink(config(train_dataloader=None), job(data), 1)


def test_full_size_keeps_what_is_not_asked_for(data: Path) -> None:
    made = config()
    set_up(made, job(data, task="train", batch_size=0))
    before = config()
    assert made["train_dataloader"]["batch_size"] == 2
    assert made["train_cfg"] == before["train_cfg"]
    assert made["model"] == before["model"]
    assert made["train_dataloader"]["dataset"]["pipeline"] == [{"type": "Resize", "scale": (1333, 800)}]  # fmt: skip


def test_full_size_takes_every_option(data: Path) -> None:
    made = config()
    asked = job(data, task="train", batch_size=4, lr=0.001, epochs=10, amp=True, workers=0, checkpoint="a.pth", seed=7)  # fmt: skip
    set_up(made, asked)
    assert [made[f"{name}_dataloader"]["batch_size"] for name in ("train", "val", "test")] == [
        4,
        1,
        1,
    ]
    assert made["train_dataloader"]["persistent_workers"] is False
    assert made["train_cfg"]["max_epochs"] == 10
    wrapper = made["optim_wrapper"]
    assert (wrapper["type"], wrapper["loss_scale"], wrapper["accumulative_counts"]) == ("AmpOptimWrapper", "dynamic", 4)  # fmt: skip
    assert wrapper["optimizer"]["lr"] == 0.001
    assert (made["load_from"], made["resume"]) == ("a.pth", False)
    assert made["randomness"]["seed"] == 7


def test_tests_are_on_the_images_that_have_annotations(data: Path) -> None:
    made = config()
    set_up(made, job(data, task="eval"))
    assert made["test_evaluator"] == made["val_evaluator"]
    assert made["test_dataloader"]["dataset"]["ann_file"].endswith("instances_val2017.json")


def test_epochs_of_a_config_that_counts_iterations(data: Path) -> None:
    made = config(train_cfg={"type": "IterBasedTrainLoop", "max_iters": 90000})
    with pytest.raises(CannotTrain, match=r"train_cfg\.max_iters"):
        set_up(made, job(data, task="train", epochs=2))


def test_an_annotation_file_of_the_configs_own_is_kept_if_the_folder_has_it(data: Path) -> None:
    own = data / "annotations/small_train2017.json"
    own.write_text("{}", encoding="utf-8")
    made = config()
    made["train_dataloader"]["dataset"]["ann_file"] = "data/other/small_train2017.json"
    point_at(made, str(data), stand_in=False)
    assert made["train_dataloader"]["dataset"]["ann_file"] == "annotations/small_train2017.json"


def test_parts_that_a_config_shares_are_told_apart() -> None:
    shared = {"type": "Resize", "scale": (1333, 800)}
    first, second = plain({"a": [shared], "b": [shared]}).values()
    assert first == second
    assert first[0] is not second[0]


def test_two_stage_heads_are_thinned_where_nothing_else_depends_on_it(data: Path) -> None:
    made = config()
    made["model"].update(
        roi_head={
            "bbox_head": {"type": "Shared2FCBBoxHead", "fc_out_channels": 1024, "in_channels": 256},
            "mask_head": [
                {"type": "FCNMaskHead", "conv_out_channels": 256},
                {"type": "HTCMaskHead", "conv_out_channels": 256},
            ],
        },
        train_cfg={"rcnn": {"sampler": {"type": "RandomSampler", "num": 512}}, "rpn_proposal": {"max_per_img": 1000}},
    )  # fmt: skip
    shrink(made, job(data), 1)
    head = made["model"]["roi_head"]
    assert head["bbox_head"]["fc_out_channels"] == 256
    assert head["bbox_head"]["in_channels"] == 256
    assert [mask["conv_out_channels"] for mask in head["mask_head"]] == [64, 256]
    assert made["model"]["train_cfg"]["rcnn"]["sampler"]["num"] == 128
    assert made["model"]["train_cfg"]["rpn_proposal"]["max_per_img"] == 100


def test_a_model_that_learns_from_another_is_refused(data: Path) -> None:
    made = config()
    made["model"]["teacher_config"] = "configs/gfl/gfl_r101_fpn_ms-2x_coco.py"
    with pytest.raises(CannotTrain, match="learns from another"):
        shrink(made, job(data), 1)
