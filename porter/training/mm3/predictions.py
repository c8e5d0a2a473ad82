"""What the initial weights detect on a few images: the path that no loss takes.

Boxes are decoded, scored, suppressed and scaled back only here and in an evaluation. Before
training both sides have the very same weights, so their detections may be held close.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from porter.training.beginning import predicting
from porter.training.mm3.evaluation import summary
from porter.training.seeds import drawing, seed_of


def predict(runner: Any, model: nn.Module, seed: int) -> dict[str, object]:
    """The fields of the record's ``predictions``: what is found on the first images of val2017.

    A model that trains and cannot predict has still trained: the reason is recorded.
    """
    found: dict[str, tuple[float, ...]] = {}
    try:
        with drawing(seed_of("predict", seed)), predicting(model), torch.no_grad():
            for sample in model.val_step(_batch(runner, seed)):
                if "pred_instances" in sample:
                    name = Path(str(sample.metainfo.get("img_path", ""))).name
                    found[name] = summary(sample.pred_instances)
    except Exception as problem:  # whatever a tree raises
        return {"found": {}, "error": f"{type(problem).__name__}: {problem}"}
    return {"found": found, "error": "" if found else "The model detects no instances."}


def _batch(runner: Any, seed: int) -> Any:
    loader = runner.cfg.get("predict_dataloader")
    return next(iter(runner.build_dataloader(loader.copy(), seed=seed)))
