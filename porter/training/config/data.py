"""Data sets of a config, pointed at a COCO folder, whatever wrappers they are in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from porter.training.config.walk import dicts, kind
from porter.training.errors import CannotTrain

#: Detection sets that CocoDataset can stand in for.
STAND_IN = (
    "BaseDetDataset",
    "CityscapesDataset",
    "CrowdHumanDataset",
    "DSDLDetDataset",
    "DeepFashionDataset",
    "LVISDataset",
    "LVISV05Dataset",
    "LVISV1Dataset",
    "Objects365V1Dataset",
    "Objects365V2Dataset",
    "OpenImagesDataset",
    "V3DetDataset",
    "VOCDataset",
    "WIDERFaceDataset",
    "XMLDataset",
    "iSAIDDataset",
)
COMMON_KEYS = (
    "type",
    "pipeline",
    "test_mode",
    "filter_cfg",
    "backend_args",
    "return_classes",
    "max_refetch",
)
LOADERS = {
    "train_dataloader": "train",
    "val_dataloader": "val",
    "test_dataloader": "val",
    "predict_dataloader": "val",
}


def point_at(config: dict[str, Any], root: str, *, stand_in: bool) -> None:
    """Have every loader and evaluator of a config read a COCO folder; in place.

    Args:
        stand_in: Whether CocoDataset takes the place of other kinds of data sets, with as many
            of the folder's classes as the model has. Otherwise kinds and classes are kept.

    Raises:
        CannotTrain: If a data set is of a kind that a COCO folder cannot serve.
    """
    classes = classes_of(Path(root), config.get("model")) if stand_in else []
    for key, split in LOADERS.items():
        loader = config.get(key)
        if not loader:
            continue
        for leaf in leaves(loader["dataset"]):
            if stand_in:
                _stand_in(leaf, classes)
            _locate(leaf, Path(root), split)
    for key in ("val_evaluator", "test_evaluator"):
        for metric in dicts(config.get(key)):
            if metric.get("ann_file"):
                metric["ann_file"] = str(Path(root) / annotations_of(metric, Path(root), "val"))


def leaves(dataset: Any) -> Iterator[dict[str, Any]]:
    """The data sets inside wrappers such as RepeatDataset and ConcatDataset."""
    if isinstance(dataset, (list, tuple)):
        for item in dataset:
            yield from leaves(item)
    elif "dataset" in dataset or "datasets" in dataset:
        yield from leaves(dataset.get("dataset", dataset.get("datasets")))
    else:
        yield dataset


def _locate(leaf: dict[str, Any], root: Path, split: str) -> None:
    leaf["ann_file"] = annotations_of(leaf, root, split)
    leaf["data_root"] = f"{root}/"
    prefix = dict(leaf.get("data_prefix") or {})
    if not (root / str(prefix.get("img", "?"))).is_dir():
        prefix["img"] = f"{split}2017/"
    leaf["data_prefix"] = prefix


def annotations_of(holder: dict[str, Any], root: Path, split: str) -> str:
    """The holder's own file of annotations if the folder has it, else COCO's; from the root."""
    usual = f"annotations/instances_{split}2017.json"
    own = holder.get("ann_file")
    if isinstance(own, str) and own:
        kept = f"annotations/{Path(own).name}"
        # A config may train on what others validate with; only the split's own file will do.
        if f"_{split}" in kept and (root / kept).is_file():
            return kept
    return usual


def check_stand_in(leaf: dict[str, Any], needs_maps: Sequence[str]) -> None:
    """Refuse a data set in whose place CocoDataset cannot be.

    Args:
        needs_maps: Steps of a pipeline that need segmentation maps.

    Raises:
        CannotTrain: If its annotations are of another kind.
    """
    name = kind(leaf)
    if name != "CocoDataset" and name not in STAND_IN:
        raise CannotTrain(
            f"the config's data set {name} is no COCO-style detection set",
            hint="Train it on its own data with porter train.",
        )
    for step in dicts(leaf.get("pipeline")):
        if step.get("with_seg") or kind(step) in needs_maps:
            raise CannotTrain(
                "the config needs segmentation maps, which the synthetic data set has not",
                hint="Train it on its own data with porter train.",
            )


def _stand_in(leaf: dict[str, Any], classes: Sequence[str]) -> None:
    check_stand_in(leaf, ("LoadPanopticAnnotations",))
    for key in [key for key in leaf if key not in COMMON_KEYS]:
        del leaf[key]
    leaf.update(type="CocoDataset", metainfo={"classes": tuple(classes)})


def classes_of(root: Path, model: Any) -> list[str]:
    """Names of the folder's classes: all, or those met most often if the model knows fewer."""
    path = root / "annotations/instances_train2017.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    known = _class_count(model)
    if not known or known >= len(names):
        return list(names.values())
    met = Counter(entry["category_id"] for entry in document["annotations"])
    often = sorted(names, key=lambda number: -met[number])[:known]
    return [name for number, name in names.items() if number in often]


def _class_count(model: Any) -> int:
    """How many classes a model tells apart; 0 if it takes whatever there are."""
    counts = [found.get("num_classes") for found in dicts(model)]
    numbers = {number for number in counts if isinstance(number, int)}
    if kind(model) == "RPN":  # it tells objects from background
        return 0
    # Beside a detection head, the head for proposals may say that it has one class.
    return min(numbers - {1} or numbers or {0})
