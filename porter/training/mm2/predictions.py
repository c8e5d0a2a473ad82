"""What the initial weights detect on a few images: the path that no loss takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import nn

from porter.training.mm2.common import model_of
from porter.training.mm2.evaluation import summaries
from porter.training.seeds import drawing, seed_of


def predict(wrapped: Any, config: Mapping[str, Any], seed: int) -> dict[str, object]:
    """The fields of the record's ``predictions``: what is found on the first images of val2017.

    A model that trains and cannot predict has still trained: the reason is recorded.

    Args:
        wrapped: The model as it trains, so that what brings images to the device is used too.
    """
    try:
        with drawing(seed_of("predict", seed)), _predicting(wrapped), torch.no_grad():
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


@contextmanager
def _predicting(wrapped: Any) -> Iterator[None]:
    """Evaluation, but for batch normalizations: their running statistics say nothing yet.

    They take the batch's, and theirs are as before in the end.
    """
    model = model_of(wrapped)
    training = [module for module in wrapped.modules() if module.training]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = {name: value.clone() for name, value in model.named_buffers()}
    wrapped.eval()
    for norm in norms:
        norm.training = True
    try:
        yield
    finally:
        for module in training:
            module.training = True
        with torch.no_grad():
            for name, value in model.named_buffers():
                value.copy_(kept[name])
