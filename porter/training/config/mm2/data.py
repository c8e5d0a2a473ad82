"""Data sets of an mmdet 2.x config, pointed at a COCO folder, whatever wrappers they are in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from porter.training.config.data import STAND_IN, annotations_of, classes_of, leaves
from porter.training.config.walk import dicts, kind
from porter.training.errors import CannotTrain

#: What a stand-in keeps of the data set in whose place it is.
COMMON_KEYS = ("type", "pipeline", "test_mode", "filter_empty_gt")
SPLITS = {"train": "train", "val": "val", "test": "val"}
NEEDS_MAPS = ("LoadSemSegAnnotations", "LoadPanopticAnnotations", "SegRescale")


def point_at(config: dict[str, Any], root: str, *, stand_in: bool) -> None:
    """Have every data set of a config read a COCO folder; in place.

    Args:
        stand_in: As for configs of mmdet 3.x: whether CocoDataset takes the place of others.

    Raises:
        CannotTrain: If a data set is of a kind that a COCO folder cannot serve.
    """
    classes = classes_of(Path(root), config.get("model")) if stand_in else []
    for part, split in SPLITS.items():
        dataset = config["data"].get(part)
        for leaf in leaves(dataset) if dataset else ():
            if stand_in:
                _stand_in(leaf, classes)
            leaf["ann_file"] = str(Path(root) / annotations_of(leaf, Path(root), split))
            leaf["img_prefix"] = f"{Path(root) / f'{split}2017'}/"
            leaf.pop("data_root", None)


def _stand_in(leaf: dict[str, Any], classes: list[str]) -> None:
    name = kind(leaf)
    if name != "CocoDataset" and name not in STAND_IN:
        raise CannotTrain(
            f"the config's data set {name} is no COCO-style detection set",
            hint="Train it on its own data with porter train.",
        )
    for step in dicts(leaf.get("pipeline")):
        if step.get("with_seg") or kind(step) in NEEDS_MAPS:
            raise CannotTrain(
                "the config needs segmentation maps, which the synthetic data set has not",
                hint="Train it on its own data with porter train.",
            )
    for key in [key for key in leaf if key not in COMMON_KEYS]:
        del leaf[key]
    leaf.update(type="CocoDataset", classes=tuple(classes))
