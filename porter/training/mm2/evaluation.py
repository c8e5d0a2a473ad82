"""What was detected, and how good it was."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


class Detections:
    """Keeps a summary of what a data set is asked to evaluate, and what it says of it.

    Attributes:
        found: Image's name -> summary, as ``porter.verify.model.End.detections`` has it.
        metrics: Of the latest evaluation.
    """

    def __init__(self) -> None:
        self.found: dict[str, tuple[float, ...]] = {}
        self.metrics: dict[str, float] = {}

    def watch(self, dataset: Any) -> None:
        """See what is evaluated on a data set from now on."""
        inner = dataset.evaluate

        def evaluate(results: Any, *arguments: Any, **options: Any) -> Any:
            self.found = summaries(dataset, results)
            metrics = inner(results, *arguments, **options)
            self.metrics = numbers(metrics)
            return metrics

        dataset.evaluate = evaluate


def summaries(dataset: Any, results: Sequence[Any]) -> dict[str, tuple[float, ...]]:
    """Image's name -> summary of what was detected on it, image by image of a data set."""
    infos = dataset.data_infos
    return {
        Path(str(info.get("filename", number))).name: summary(result)
        for number, (info, result) in enumerate(zip(infos, results))
    }


def summary(result: Any) -> tuple[float, ...]:
    """Boxes kept, the sum of their scores, the mean of their coordinates in pixels; then the
    mean of each coordinate, of the labels, and of the masks' area where there are masks.

    Args:
        result: One image's: for each class rows of x1, y1, x2, y2, score; with masks a pair.
    """
    masks = None
    if isinstance(result, tuple):
        result, masks = result
    rows = [np.asarray(found, dtype=np.float64).reshape(-1, 5) for found in result]
    boxes = np.concatenate(rows) if rows else np.zeros((0, 5))
    labels: Any = np.repeat(np.arange(len(rows)), [len(found) for found in rows])
    columns = [_mean(boxes[:, column]) for column in range(4)]
    found = [float(len(boxes)), float(boxes[:, 4].sum()), _mean(boxes[:, :4])]
    found += [*columns, _mean(labels)]
    if masks is not None:
        found.append(_mean(np.asarray([_area(mask) for kind in masks for mask in kind])))
    return tuple(found)


def _mean(values: Any) -> float:
    return float(values.mean()) if values.size else 0.0


def _area(mask: Any) -> float:
    if isinstance(mask, dict):  # COCO's run lengths
        coco: Any = importlib.import_module("pycocotools.mask")
        return float(coco.area(mask))
    return float(np.asarray(mask).sum())


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are numbers."""
    return {
        name: float(value)
        for name, value in (metrics or {}).items()
        if isinstance(value, (int, float, np.floating))
    }
