"""A config of mmdet 2.x at full size, pointed at the user's data, as the command line asks."""

from __future__ import annotations

from typing import Any

from porter.training.config.mm2.data import point_at
from porter.training.errors import CannotTrain
from porter.training.job import Job

#: mmcv's own default, where AMP is asked of a config that has none.
LOSS_SCALE = 512.0


def set_up(config: dict[str, Any], job: Job) -> None:
    """Put a job's wishes into a config, as plain dicts; in place.

    Raises:
        CannotTrain: If epochs are asked of a config that counts iterations.
    """
    point_at(config, job.data, stand_in=False)
    data = config["data"]
    if job.batch_size and job.task == "train":
        data["samples_per_gpu"] = job.batch_size
    if job.batch_size and job.task == "eval":
        data["test"]["samples_per_gpu"] = job.batch_size
    if job.workers >= 0:
        data["workers_per_gpu"] = job.workers
    if job.epochs:
        _set_epochs(config, job.epochs)
    if job.lr is not None:
        config["optimizer"]["lr"] = job.lr
    if job.amp and not config.get("fp16"):
        config["fp16"] = {"loss_scale": LOSS_SCALE}
    config["resume_from"] = job.resume_from or None
    config["load_from"] = job.checkpoint or config.get("load_from")


def _set_epochs(config: dict[str, Any], epochs: int) -> None:
    runner = config.setdefault("runner", {"type": "EpochBasedRunner"})
    if runner["type"] == "IterBasedRunner":
        raise CannotTrain(
            "the config counts iterations, not epochs",
            hint="Pass -- runner.max_iters=N in place of --epochs.",
        )
    runner["max_epochs"] = epochs
    config.pop("total_epochs", None)
