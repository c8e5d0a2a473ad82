"""A demo on mmdet 3: its own ``init_detector``, ``inference_detector`` and visualizer."""

from __future__ import annotations

from typing import Any

import mmcv
import torch
from mmdet.apis import inference_detector, init_detector
from mmdet.visualization import DetLocalVisualizer
from mmengine.runner.checkpoint import _load_checkpoint

from porter.training.book import Book
from porter.training.boxes import Found, demo_record, read_picture, timed
from porter.training.checkpoints import check_weights, weights_in
from porter.training.job import Job


def demo(job: Job, book: Book) -> None:
    """Detect in a picture, draw the boxes, and record them.

    Raises:
        CannotTrain: If the picture or the checkpoint will not do.
    """
    picture = read_picture(job.image, mmcv.imread)
    model = load_model(job)
    sample, seconds = timed(lambda: inference_detector(model, job.image))
    found = _boxes(sample.pred_instances, model.dataset_meta["classes"])
    draw(picture, sample, model, job)
    book.write("found", demo_record(job, model, found, seconds))


def load_model(job: Job) -> Any:
    """The model on its device, with the checkpoint's weights or random ones."""
    weights = weights_in(job.checkpoint, _load_checkpoint) if job.checkpoint else None
    torch.manual_seed(job.seed)
    model = init_detector(job.config, job.checkpoint or None, device=job.device)
    if weights is not None:
        check_weights(job.checkpoint, weights, model.state_dict())
    return model


def draw(picture: Any, sample: Any, model: Any, job: Job) -> None:
    """Write the picture with the boxes whose scores are high enough."""
    drawn = DetLocalVisualizer()
    drawn.dataset_meta = model.dataset_meta
    drawn.add_datasample(
        "demo",
        mmcv.bgr2rgb(picture),
        data_sample=sample.cpu(),
        draw_gt=False,
        pred_score_thr=job.score_thr,
        out_file=job.result,
    )


def _boxes(instances: Any, classes: Any) -> list[Found]:
    labels = instances.labels.tolist()
    corners = getattr(instances.bboxes, "tensor", instances.bboxes).tolist()
    return [
        (str(classes[label]), score, box)
        for label, score, box in zip(labels, instances.scores.tolist(), corners)
    ]
