"""What a demo found in a picture, as its record tells it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Tuple

import torch

from porter.training.errors import CannotTrain
from porter.training.evidence import devices_of
from porter.training.job import Job

#: Label, score, and the list of corners in pixels.
Found = Tuple[str, float, Any]


def read_picture(path: str, read: Callable[[str], Any]) -> Any:
    """The picture as an array in BGR.

    Args:
        read: The tree's own reader.

    Raises:
        CannotTrain: If there is none, or OpenCV does not know what it is.
    """
    if not Path(path).is_file():
        raise CannotTrain(f"{path}: there is no such picture")
    picture = read(path)
    if picture is None:
        raise CannotTrain(f"{path}: not a picture that OpenCV can read")
    return picture


def timed(detect: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the seconds it took."""
    began = time.perf_counter()
    found = detect()
    return found, time.perf_counter() - began


def demo_record(
    job: Job, model: torch.nn.Module, found: Sequence[Found], seconds: float
) -> dict[str, object]:
    """The fields of the record's ``found``.

    Raises:
        CannotTrain: If the picture was not written.
    """
    if not Path(job.result).is_file():
        raise CannotTrain(f"{job.result}: the tree drew no picture")
    best = sorted(found, key=lambda box: -box[1])
    return {
        "found": len(best),
        "boxes": [[*box] for box in best if box[1] >= job.score_thr],
        "highest": best[0][1] if best else 0.0,
        "seconds": seconds,
        "devices": devices_of(model.parameters()),
    }
