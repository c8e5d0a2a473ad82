"""What a run begins with: its weights, and a model that predicts before it has trained."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from porter.training.environment import rank
from porter.training.evidence import copy_to_host, stir
from porter.training.job import Job


def initial_weights(model: nn.Module, job: Job) -> Mapping[str, torch.Tensor]:
    """Load the weights that a job names, or stir and save the model's own.

    Returns:
        Name -> tensor on the host: what the model starts from.
    """
    if job.weights:
        given: Mapping[str, torch.Tensor] = torch.load(job.weights, map_location="cpu")
        if not job.resume:
            model.load_state_dict(given, strict=True)
        return given
    own = copy_to_host(model.state_dict())
    stir(own, [name for name, _ in model.named_parameters()], job.seed)
    model.load_state_dict(own, strict=True)
    if job.save_weights and rank() == 0:
        part = Path(f"{job.save_weights}.{os.getpid()}.part")
        torch.save(own, str(part))
        part.replace(job.save_weights)
    return own


@contextmanager
def predicting(model: nn.Module) -> Iterator[None]:
    """Evaluation, but for batch normalizations: their running statistics say nothing yet.

    They take the batch's, and theirs are as before in the end.
    """
    training = [module for module in model.modules() if module.training]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = {name: value.clone() for name, value in model.named_buffers()}
    model.eval()
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
