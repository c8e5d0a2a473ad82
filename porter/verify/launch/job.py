"""What ``porter.training`` is told: one JSON document a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from porter.model import Target
from porter.verify.model import Settings
from porter.verify.trees import Trees

FORMAT = 1


def amp_dtype(target: Target) -> str:
    """What autocast computes in on the target, as torch calls it."""
    return next(iter(target.amp_dtypes), "float16")


def checkpoint_name(step: int) -> str:
    """What a training that is told to stop after a step calls the checkpoint in its folder."""
    return f"step-{step}.pth"


def common_job(settings: Settings, trees: Trees, ops: Path, data: Path) -> dict[str, Any]:
    """What both sides are told alike.

    Args:
        ops: The folder with mmcv's compiled operators.
        data: The root of a COCO folder.
    """
    return {
        "format": FORMAT,
        "task": "smoke",
        "trees": {name: str(root) for name, root in trees.roots.items()},
        "ops": str(ops),
        "config": str(trees.config(settings.config)),
        "steps": settings.steps,
        "batch_size": settings.batch_size,
        "image_size": settings.image_size,
        "lr": settings.lr,
        "seed": settings.seed,
        "threads": settings.threads,
        "data": str(data),
        "weights": "",
        "save_weights": "",
        "options": dict(settings.options),
        "canvas": settings.canvas,
        "eval": settings.eval,
        "resume": "",
        "stop": 0,
        "amp": False,
        "amp_dtype": "float16",
        "sim": None,
    }
