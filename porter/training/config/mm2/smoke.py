"""Any COCO-style config of mmdet 2.x made small enough to train some steps on a CPU.

What is kept and what goes is as in ``porter.training.config.smoke``; only the keys are others.
One epoch is all steps: the engine's sampler gives as many images as they take.
"""

from __future__ import annotations

from typing import Any

from porter.training.config.mm2.data import point_at
from porter.training.config.sizes import shrink_pipeline
from porter.training.config.smoke import (
    CLIP,
    FEW_BOXES,
    LOG_INTERVAL,
    NEEDLESS_HOOKS,
    NEVER,
    USUAL_BATCH,
    canvas,
    cap,
    forget_weights,
    shrink_model,
)
from porter.training.config.walk import dicts, kind
from porter.training.errors import CannotTrain
from porter.training.job import Job

#: Under these names mmdet 2 bounds the boxes of an image, beside ``max_per_img``.
BOUNDS = ("nms_post", "max_num")


def shrink(config: dict[str, Any], job: Job, world: int) -> None:
    """Make a config, as plain dicts, the smoke run that a job asks for; in place.

    Raises:
        CannotTrain: If the config trains nothing, or on what the synthetic data set has not.
    """
    for key in ("model", "data", "optimizer"):
        if not config.get(key):
            raise CannotTrain(f"{job.config}: no {key}: it is not a config to train by")
    if any("teacher_config" in found for found in dicts(config["model"])):
        raise CannotTrain("the config learns from another model, whose weights are a download")
    forget_weights(config["model"])
    config.update(load_from=None, resume_from=job.resume or None)
    point_at(config, job.data, stand_in=True)
    _shrink_data(config["data"], job)
    for part in ("model", "train_cfg", "test_cfg"):  # up to mmdet 2.6 these stand beside the model
        _shrink_part(config.get(part))
    _set_optimizer(config, job, world)
    _set_schedule(config, job)
    config["custom_hooks"] = [
        hook
        for hook in config.get("custom_hooks") or []
        if not any(word in kind(hook) for word in NEEDLESS_HOOKS)
    ]


def _shrink_data(data: dict[str, Any], job: Job) -> None:
    # Draws are seeded image by image, in this process.
    data.update(samples_per_gpu=job.batch_size, workers_per_gpu=0)
    data.pop("imgs_per_gpu", None)
    for part in ("train", "val", "test"):
        for found in dicts(data.get(part)):
            found.pop("samples_per_gpu", None)
            if found.get("pipeline"):
                shrink_pipeline(found["pipeline"], job.image_size)
                if job.canvas:
                    _add_canvas(found["pipeline"], job.image_size)


def _add_canvas(pipeline: Any, longest: int) -> None:
    """Every image on a canvas of one size, after the padding that a config asks for."""
    for steps in (pipeline, *(found["transforms"] for found in pipeline if "transforms" in found)):
        for place in [n for n, step in enumerate(steps) if kind(step) == "Pad"]:
            steps.insert(place + 1, canvas(longest))


def _shrink_part(part: Any) -> None:
    if not part:
        return
    shrink_model(part)
    for found in dicts(part):
        for key in BOUNDS:
            cap(found, key, FEW_BOXES)


def _set_optimizer(config: dict[str, Any], job: Job, world: int) -> None:
    lr = config["optimizer"]["lr"] * job.batch_size * world / USUAL_BATCH
    config["optimizer"]["lr"] = lr if job.lr is None else job.lr
    steps = config.get("optimizer_config") or {}
    clip = steps.get("grad_clip")
    if isinstance(clip, dict) and "max_norm" in clip:
        clip = {**clip, "max_norm": min(clip["max_norm"], CLIP)}
    config["optimizer_config"] = {"grad_clip": clip}
    config["fp16"] = {"loss_scale": job.loss_scale} if job.amp else None


def _set_schedule(config: dict[str, Any], job: Job) -> None:
    config.pop("total_epochs", None)
    config.pop("momentum_config", None)
    config["lr_config"] = {"policy": "fixed"}
    # What is resumed ended its first epoch when it was saved.
    config["runner"] = {"type": "EpochBasedRunner", "max_epochs": 2 if job.resume else 1}
    config["workflow"] = [("train", 1)]
    config["checkpoint_config"] = {"interval": NEVER}
    if job.stop:
        saved = {"filename_tmpl": f"step-{job.stop}.pth", "create_symlink": False}
        config["checkpoint_config"] = {"interval": 1, **saved}
    config["evaluation"] = {"interval": 1, "metric": _metrics(config.get("evaluation"))}
    config["log_config"] = {
        # An epoch may be half of all steps, and the log leaves out what is left at its end.
        "interval": max(1, min(LOG_INTERVAL, job.steps // 2)),
        "hooks": [{"type": "TextLoggerHook"}],
    }


def _metrics(configured: Any) -> list[str]:
    asked = str(configured)
    return ["bbox", "segm"] if "segm" in asked else ["bbox"]
