"""What the initial weights detect on a few images: the path that no loss takes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import torch

from porter.training.beginning import predicting
from porter.training.mm2.evaluation import summaries
from porter.training.seeds import drawing, seed_of


def predict(wrapped: Any, config: Mapping[str, Any], seed: int) -> dict[str, object]:
    """The fields of the record's ``predictions``: what is found on the first images of val2017.

    A model that trains and cannot predict has still trained: the reason is recorded.

    Args:
        wrapped: The model as it trains, so that what brings images to the device is used too.
    """
    try:
        with drawing(seed_of("predict", seed)), predicting(wrapped), torch.no_grad():
            dataset, loader = _loader(config)
            images = islice(loader, config["data"]["samples_per_gpu"])
            results = [found for data in images for found in _detect(wrapped, data)]
            found = summaries(dataset, results)
    except Exception as problem:  # whatever a tree raises
        return {"found": {}, "error": f"{type(problem).__name__}: {problem}"}
    return {"found": found, "error": "" if found else "The model detects no instances."}


def _loader(config: Any) -> tuple[Any, Any]:
    from mmdet.datasets import build_dataloader, build_dataset

    dataset = build_dataset(config["data"]["val"], {"test_mode": True})
    loader = build_dataloader(
        dataset, samples_per_gpu=1, workers_per_gpu=0, dist=False, shuffle=False
    )
    return dataset, loader


def _detect(wrapped: Any, data: Mapping[str, Any]) -> Any:
    return wrapped(return_loss=False, rescale=True, **data)
