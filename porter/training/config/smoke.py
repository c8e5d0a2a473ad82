"""Any COCO-style mmdet config made small enough to train some steps on a CPU.

What is kept is what a port can break: the model's modules and losses, the transforms, the
optimizer. What goes is what costs time or hides a difference: downloaded weights, large images,
frozen stages, warm-up, averaged weights, loader workers.

The learning rate is the job's or else the config's, by the linear rule: for a batch of
``base_batch_size`` (of ``auto_scale_lr``; 16 without it) it is the config's own, for ours it is
in proportion. Schedules are dropped, so it acts from the first step.
"""

from __future__ import annotations

from typing import Any

from porter.training.config.backbone import shrink_backbones
from porter.training.config.data import point_at
from porter.training.config.sizes import scale_sizes, shrink_pipeline
from porter.training.config.walk import dicts, drop, kind, plain
from porter.training.errors import CannotTrain
from porter.training.job import Job

#: Hooks that act late in a training, draw pictures, or keep a second set of weights.
NEEDLESS_HOOKS = ("EMA", "ModeSwitch", "PipelineSwitch", "SyncNorm", "Visual", "Profiler", "Early")
USUAL_BATCH = 16
#: Regions of an image that a two-stage head or a sampled loss trains on. More than there are
#: proposals: a random choice among them would be another one if only one of them differed.
FEW_REGIONS = 128
#: Proposals, queries and detections of an image.
FEW_BOXES = 100
FEW_CHANNELS = 256
#: Where a config clips gradients, it is at this norm at most: else nothing would be clipped in
#: some models, and a port that does not clip, or clips before AMP unscales, would not be seen.
CLIP = 0.3
FEW_MASK_CHANNELS = 64
#: What mmdet's configs round the sides of an image up to.
PAD_TO = 32
NEVER = 10**9
LOG_INTERVAL = 10


def shrink(config: dict[str, Any], job: Job, world: int) -> None:
    """Make a config, as plain dicts, the smoke run that a job asks for; in place.

    Args:
        world: How many processes train together.

    Raises:
        CannotTrain: If the config trains nothing, or on what the synthetic data set has not.
    """
    for key in ("model", "train_dataloader"):
        if not config.get(key):
            raise CannotTrain(f"{job.config}: no {key}: it is not a config to train by")
    if any("teacher_config" in found for found in dicts(config["model"])):
        raise CannotTrain("the config learns from another model, whose weights are a download")
    forget_weights(config["model"])
    config.update(load_from=None, resume=False)
    _keep_loaders(config, job)
    point_at(config, job.data, stand_in=True)
    _shrink_images(config, job.image_size)
    if job.canvas:
        _add_canvas(config, job.image_size)
    shrink_model(config["model"])
    config["optim_wrapper"] = _optimizer(config, job, world)
    config["param_scheduler"] = None
    config["auto_scale_lr"] = None
    config["train_cfg"] = {
        "type": "IterBasedTrainLoop",
        "max_iters": job.steps,
        "val_begin": NEVER,  # evaluated after training, as loops differ in when they do it
        "val_interval": NEVER,
    }
    _keep_hooks(config)
    config["randomness"] = {"seed": job.seed}


def forget_weights(model: dict[str, Any]) -> None:
    """Take from a model what it would download; in place."""

    def is_download(key: str, value: Any) -> bool:
        pretrained = key == "init_cfg" and any(
            kind(found) == "Pretrained" or "checkpoint" in found for found in dicts(value)
        )
        return pretrained or (key == "pretrained" and isinstance(value, str))

    drop(model, is_download)


def _keep_loaders(config: dict[str, Any], job: Job) -> None:
    loader = config["train_dataloader"]
    loader.update(_alone(job.batch_size))
    # Endless, as a loader that begins anew waits two seconds each time.
    loader["sampler"] = {"type": "InfiniteSampler", "shuffle": True}
    if kind(loader.get("batch_sampler")) != "AspectRatioBatchSampler":
        loader.pop("batch_sampler", None)
    if config.get("val_dataloader"):
        predicted = plain(config["val_dataloader"])
        predicted.update(_alone(job.batch_size))
        predicted["sampler"] = {"type": "DefaultSampler", "shuffle": False}
        config["predict_dataloader"] = predicted
    for key in ("test_dataloader", "test_evaluator", "test_cfg"):
        config[key] = None
    if not job.eval:
        for key in ("val_dataloader", "val_evaluator", "val_cfg"):
            config[key] = None
        return
    config["val_dataloader"].update(_alone(job.batch_size))
    config["val_dataloader"]["sampler"] = {"type": "DefaultSampler", "shuffle": False}
    config["val_cfg"] = {"type": "ValLoop"}
    config["val_evaluator"] = _evaluator(config["val_evaluator"])


def _alone(batch_size: int) -> dict[str, object]:
    return {"batch_size": batch_size, "num_workers": 0, "persistent_workers": False}


def _evaluator(configured: Any) -> dict[str, Any]:
    """COCO's own metric, of boxes and, where the config asks for them, of masks."""
    asked = str([found.get("metric") for found in dicts(configured)])
    metric = ["bbox", "segm"] if "segm" in asked else "bbox"
    if "proposal" in asked:
        metric = "proposal_fast"
    return {"type": "CocoMetric", "ann_file": "val", "metric": metric}


def _shrink_images(config: dict[str, Any], longest: int) -> None:
    factor = 0.0
    for key in ("train_dataloader", "val_dataloader", "predict_dataloader"):
        if not config.get(key):
            continue
        for found in dicts(config[key]["dataset"]):
            if found.get("pipeline"):
                own = shrink_pipeline(found["pipeline"], longest)
                factor = factor or own
    for found in dicts([config["model"], config.get("data_preprocessor")]):
        augments = found.get("batch_augments")
        if augments and factor:
            scale_sizes(augments, factor)


def canvas(longest: int) -> dict[str, Any]:
    """The canvas that every image fits on whose longest side is so long."""
    side = -(-longest // PAD_TO) * PAD_TO
    return {"type": "StaticCanvas", "size": (side, side)}


def _add_canvas(config: dict[str, Any], longest: int) -> None:
    """Every batch of one size: mmdet's own padding makes it as large as its largest image."""
    for owner in (config["model"], config):
        preprocessor = owner.get("data_preprocessor")
        if preprocessor:
            augments = preprocessor.get("batch_augments") or []
            preprocessor["batch_augments"] = [*augments, canvas(longest)]
            return


def shrink_model(model: dict[str, Any]) -> None:
    """Make a model, or a part of one, small and thawed; in place."""
    shrink_backbones(model)
    for found in dicts(model):
        # Neither a lone process nor the host has what synchronized norms need, and a baseline
        # with other norms than the port would be no baseline.
        if found.get("type") in ("SyncBN", "MMSyncBN"):
            found["type"] = "BN"
        _thin_heads(found)
        # After some steps no score is high: without this nothing would be detected.
        if "score_thr" in found:
            found["score_thr"] = 0.0


def _thin_heads(part: dict[str, Any]) -> None:
    """Fewer regions and narrower layers of the heads: seconds a step, and nothing to break."""
    if "Sampler" in kind(part):
        cap(part, "num", FEW_REGIONS)
    cap(part, "max_per_img", FEW_BOXES)
    cap(part, "num_queries", FEW_BOXES)  # DINO picks them among the places of a small image
    cap(part, "fc_out_channels", FEW_CHANNELS)
    if kind(part) == "FCNMaskHead":  # others add its features to those they are given
        cap(part, "conv_out_channels", FEW_MASK_CHANNELS)


def cap(part: dict[str, Any], key: str, most: int) -> None:
    """Bound a whole number in a part of a config, if it is there."""
    if isinstance(part.get(key), int):
        part[key] = min(part[key], most)


def _optimizer(config: dict[str, Any], job: Job, world: int) -> dict[str, Any]:
    wrapper = dict(config["optim_wrapper"])
    for key in ("accumulative_counts", "loss_scale", "dtype", "use_fsdp"):
        wrapper.pop(key, None)
    clip = wrapper.get("clip_grad")
    if isinstance(clip, dict) and "max_norm" in clip:
        wrapper["clip_grad"] = {**clip, "max_norm": min(clip["max_norm"], CLIP)}
    wrapper["type"] = "OptimWrapper"
    if job.amp:
        scale = {"init_scale": job.loss_scale}
        wrapper.update(type="AmpOptimWrapper", loss_scale=scale, dtype=job.amp_dtype)
    base = (config.get("auto_scale_lr") or {}).get("base_batch_size") or USUAL_BATCH
    lr = wrapper["optimizer"]["lr"] * job.batch_size * world / base
    wrapper["optimizer"] = {**wrapper["optimizer"], "lr": lr if job.lr is None else job.lr}
    return wrapper


def _keep_hooks(config: dict[str, Any]) -> None:
    config["custom_hooks"] = [
        hook
        for hook in config.get("custom_hooks") or []
        if not any(word in kind(hook) for word in NEEDLESS_HOOKS)
    ]
    config["default_hooks"] = {
        "logger": {"type": "LoggerHook", "interval": LOG_INTERVAL},
        "checkpoint": None,
    }
    config["log_processor"] = {"type": "LogProcessor", "by_epoch": False}
    config["visualizer"] = None
    config["vis_backends"] = None
