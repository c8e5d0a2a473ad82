"""What the recorders of all tasks say of a Runner."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from mmengine.model import is_model_wrapper
from torch import nn

from porter.training.digests import digest_values, digest_weights
from porter.training.environment import describe
from porter.training.groups import groups_of
from porter.training.job import Job

#: How AMP is done is no part of the schedule: a baseline without it has the same one.
AMP_KEYS = ("type", "loss_scale", "dtype")


def model_of(runner: Any) -> nn.Module:
    """The model, out of its distributed wrapper."""
    model: nn.Module = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return model


def start_of(runner: Any, job: Job) -> dict[str, object]:
    """The fields of the record's ``start``."""
    wrapper = runner.optim_wrapper
    scaler = getattr(wrapper, "loss_scaler", None)
    group = dist.is_available() and dist.is_initialized()
    return {
        "weights": digest_weights(model_of(runner).state_dict()),
        "schedule": _schedule(runner),
        "environment": describe(job),
        "wrapper": "" if isinstance(wrapper, dict) or wrapper is None else type(wrapper).__name__,
        "scaler": bool(scaler is not None and scaler.is_enabled()),
        "backend": str(dist.get_backend()) if group else "",
        "optimizer": {} if isinstance(wrapper, dict) or wrapper is None else optimizer_of(wrapper),
    }


def optimizer_of(wrapper: Any) -> dict[str, str]:
    """The settings that an optimizer really has, whatever was configured."""
    found = groups_of(getattr(wrapper, "optimizer", None))
    found["clipping"] = str(getattr(wrapper, "clip_grad_kwargs", None))
    found["accumulated steps"] = str(getattr(wrapper, "_accumulative_counts", 1))
    return found


def _schedule(runner: Any) -> str:
    config = runner.cfg.to_dict()
    loader = config.get("train_dataloader") or {}
    optimizer = dict(config.get("optim_wrapper") or {})
    return digest_values(
        {
            "optimizer": {k: v for k, v in optimizer.items() if k not in AMP_KEYS},
            "schedulers": config.get("param_scheduler"),
            "loop": config.get("train_cfg"),
            "batch": loader.get("batch_size"),
            "processes": runner.world_size,
        }
    )


def rates_of(runner: Any) -> list[float]:
    """The learning rate of each parameter group."""
    return [float(group["lr"]) for group in runner.optim_wrapper.optimizer.param_groups]
