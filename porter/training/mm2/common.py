"""What the recorders of all tasks say of an mmcv 1.x runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.distributed as dist
from torch import nn

from porter.training.digests import digest_values, digest_weights
from porter.training.environment import describe
from porter.training.groups import groups_of
from porter.training.job import Job


def model_of(wrapped: Any) -> nn.Module:
    """The detector, out of MMDataParallel or MMDistributedDataParallel."""
    model: nn.Module = wrapped.module if hasattr(wrapped, "module") else wrapped
    return model


def start_of(runner: Any, config: Mapping[str, Any], job: Job) -> dict[str, object]:
    """The fields of the record's ``start``."""
    hook = optimizer_hook(runner)
    found = groups_of(runner.optimizer)
    found["clipping"] = str(getattr(hook, "grad_clip", None))
    return {
        "weights": digest_weights(model_of(runner.model).state_dict()),
        "schedule": schedule_of(config, runner.world_size),
        "environment": describe(job),
        "wrapper": type(hook).__name__ if hook else "",
        "scaler": scaler_of(hook) is not None,
        "backend": backend(),
        "optimizer": found,
    }


def backend() -> str:
    """The process group's backend; empty without one."""
    group = dist.is_available() and dist.is_initialized()
    return str(dist.get_backend()) if group else ""


def optimizer_hook(runner: Any) -> Any:
    """The hook that computes gradients and updates; None without one."""
    return next((hook for hook in runner.hooks if hasattr(hook, "grad_clip")), None)


def scaler_of(hook: Any) -> Any:
    """What scales the loss of a hook for mixed precision; None where nothing does."""
    scaler = getattr(hook, "loss_scaler", None)
    enabled = getattr(scaler, "is_enabled", None)
    return None if enabled is not None and not enabled() else scaler


def schedule_of(config: Mapping[str, Any], world: int) -> str:
    """Digest of optimizer, schedules and loop, as configured; how AMP is done is no part of it."""
    return digest_values(
        {
            "optimizer": config.get("optimizer"),
            "clipping": (config.get("optimizer_config") or {}).get("grad_clip"),
            "rates": config.get("lr_config"),
            "momentum": config.get("momentum_config"),
            "loop": [config.get("runner"), config.get("total_epochs"), config.get("workflow")],
            "batch": config["data"].get("samples_per_gpu"),
            "processes": world,
        }
    )


def rates_of(runner: Any) -> list[float]:
    """The learning rate of each parameter group."""
    return [float(group["lr"]) for group in runner.optimizer.param_groups]
