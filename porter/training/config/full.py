"""A config at full size, pointed at the user's data, with what the command line asks for."""

from __future__ import annotations

from typing import Any

from porter.training.config.data import point_at
from porter.training.config.walk import plain
from porter.training.errors import CannotTrain
from porter.training.job import Job

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
#: Task -> the loader whose batch the user chooses. How images of one batch are padded changes what
#: is detected on them, so a training evaluates as configured.
CHOSEN = {"train": "train_dataloader", "eval": "test_dataloader"}


def set_up(config: dict[str, Any], job: Job) -> None:
    """Put a job's wishes into a config, as plain dicts; in place.

    Raises:
        CannotTrain: If epochs are asked of a config that counts iterations.
    """
    if config.get("val_dataloader"):
        # Many configs test on images whose annotations nobody has.
        for part in ("dataloader", "evaluator"):
            config[f"test_{part}"] = plain(config[f"val_{part}"])
        config["test_cfg"] = config.get("test_cfg") or {"type": "TestLoop"}
    point_at(config, job.data, stand_in=False)
    _set_loaders(config, job)
    if job.epochs:
        _set_epochs(config, job.epochs)
    _set_optimizer(config["optim_wrapper"], job)
    config["randomness"] = {**(config.get("randomness") or {}), "seed": job.seed}
    config.update(load_from=job.checkpoint or config.get("load_from"), resume=False)
    if job.resume_from:
        config.update(load_from=job.resume_from, resume=True)


def _set_loaders(config: dict[str, Any], job: Job) -> None:
    for key in LOADERS:
        loader = config.get(key)
        if loader and job.batch_size and key == CHOSEN[job.task]:
            loader["batch_size"] = job.batch_size
        if loader and job.workers >= 0:
            loader.update(num_workers=job.workers, persistent_workers=job.workers > 0)


def _set_epochs(config: dict[str, Any], epochs: int) -> None:
    loop = config["train_cfg"]
    if "max_epochs" not in loop:
        raise CannotTrain(
            "the config counts iterations, not epochs",
            hint="Pass -- train_cfg.max_iters=N in place of --epochs.",
        )
    loop["max_epochs"] = epochs


def _set_optimizer(wrapper: dict[str, Any], job: Job) -> None:
    if job.lr is not None:
        wrapper["optimizer"]["lr"] = job.lr
    if job.amp:
        wrapper["type"] = "AmpOptimWrapper"
        wrapper.setdefault("loss_scale", "dynamic")
        wrapper["dtype"] = job.amp_dtype
