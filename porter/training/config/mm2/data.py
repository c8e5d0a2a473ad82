"""Data sets of an mmdet 2.x config, pointed at a COCO folder, whatever wrappers they are in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from porter.training.config.data import annotations_of, check_stand_in, classes_of, leaves

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
    check_stand_in(leaf, NEEDS_MAPS)
    for key in [key for key in leaf if key not in COMMON_KEYS]:
        del leaf[key]
    leaf.update(type="CocoDataset", classes=tuple(classes))
