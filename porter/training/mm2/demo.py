"""A demo on mmdet 2.x: its own ``init_detector``, ``inference_detector`` and ``show_result``."""

from __future__ import annotations

import os
from typing import Any

import mmcv
import torch
from mmcv.runner.checkpoint import _load_checkpoint
from mmdet.apis import inference_detector, init_detector
from mmdet.core import get_classes

from porter.training.book import Book
from porter.training.boxes import Found, demo_record, read_picture, timed
from porter.training.checkpoints import check_weights, weights_in
from porter.training.job import Job


def demo(job: Job, book: Book) -> None:
    """Detect in a picture, draw the boxes, and record them.

    Raises:
        CannotTrain: If the picture or the checkpoint will not do.
    """
    os.environ.setdefault("MPLBACKEND", "Agg")  # mmdet draws with pyplot, which wants a screen
    picture = read_picture(job.image, mmcv.imread)
    model = load_model(job)
    result, seconds = timed(lambda: inference_detector(model, job.image))
    model.show_result(picture, result, score_thr=job.score_thr, out_file=job.result)
    book.write("found", demo_record(job, model, _boxes(result, model.CLASSES), seconds))


def load_model(job: Job) -> Any:
    """The model on its device, with the checkpoint's weights or random ones."""
    weights = weights_in(job.checkpoint, _load_checkpoint) if job.checkpoint else None
    torch.manual_seed(job.seed)
    model = init_detector(job.config, job.checkpoint or None, device=job.device)
    if weights is None:
        model.CLASSES = get_classes("coco")
    else:
        check_weights(job.checkpoint, weights, model.state_dict())
    return model


def _boxes(result: Any, classes: Any) -> list[Found]:
    """Of boxes by class; with masks, the boxes are the first of two."""
    by_class = result[0] if isinstance(result, tuple) else result
    return [
        (str(classes[number]), float(box[4]), [float(value) for value in box[:4]])
        for number, boxes in enumerate(by_class)
        for box in boxes
    ]
