"""What was detected, and how good it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook

from porter.training.book import Book
from porter.training.digests import digest_weights
from porter.training.job import Job
from porter.training.mm3.common import model_of, start_of


class Detections(Hook):
    """Keeps a summary of what was detected on each image.

    Attributes:
        found: Image's name -> boxes kept, sum of their scores, mean of their coordinates.
        metrics: Of the latest evaluation.
    """

    def __init__(self) -> None:
        self.found: dict[str, tuple[float, ...]] = {}
        self.metrics: dict[str, float] = {}

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Add the images of a batch."""
        for sample in outputs or ():
            if "pred_instances" in sample:
                name = Path(str(sample.metainfo.get("img_path", ""))).name
                self.found[name] = summary(sample.pred_instances)

    after_test_iter = after_val_iter

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        """Keep the figures."""
        self.metrics = numbers(metrics or {})

    after_test_epoch = after_val_epoch


class EvalRecorder(Detections):
    """Records an evaluation alone."""

    def __init__(self, job: Job, book: Book) -> None:
        super().__init__()
        self._job, self._book = job, book

    def before_test(self, runner: Any) -> None:
        """The checkpoint is loaded by now."""
        self._book.write("start", start_of(runner, self._job))

    def end(self, runner: Any, metrics: Mapping[str, Any]) -> dict[str, object]:
        """The fields of the record's ``end``."""
        return {
            "weights": digest_weights(model_of(runner).state_dict()),
            "updates": {},
            "metrics": numbers(metrics),
            "detections": self.found,
            "checkpoint": self._job.checkpoint,
        }


def summary(instances: Any) -> tuple[float, ...]:
    """Boxes kept, the sum of their scores, the mean of their coordinates in pixels; then the
    mean of each coordinate, of the labels, and of the masks' area where there are masks.
    """
    boxes = instances.bboxes
    boxes = getattr(boxes, "tensor", boxes).detach().cpu().double()
    scores = _on_host(instances, "scores")
    columns = boxes.mean(dim=0).tolist() if boxes.numel() else [0.0] * boxes.shape[-1]
    mean = float(boxes.mean()) if boxes.numel() else 0.0
    rest = [*columns, _mean(_on_host(instances, "labels"))]
    if "masks" in instances:
        rest.append(_mean(_on_host(instances, "masks")))
    return (float(len(boxes)), float(scores.sum()), mean, *rest)


def _on_host(instances: Any, key: str) -> torch.Tensor:
    return torch.as_tensor(instances.get(key, ())).detach().cpu().double()


def _mean(values: torch.Tensor) -> float:
    return float(values.mean()) if values.numel() else 0.0


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are numbers."""
    return {
        name: float(value) for name, value in metrics.items() if not isinstance(value, (str, list))
    }
