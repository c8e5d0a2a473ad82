"""Keeping mmdet 2.x on the host, where it knows no other place to train than a GPU.

``train_detector`` calls ``model.cuda()``, or ``model.to`` in a port, and names a device's number
to its wrappers. For a process that has to stay on the host the first does nothing, and the second
goes.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
import torch.distributed as dist
from torch import nn


def join_on_host() -> None:
    """Join the other processes over gloo; mmcv would first look for a GPU's number."""
    dist.init_process_group("gloo")


def stay_on_host(model: nn.Module) -> None:
    """Have ``train_detector`` train a model where it is."""
    model.cuda = lambda device=None: model
    model.to = lambda *place, **options: model
    torch.cuda.current_device = lambda: 0
    apis: Any = importlib.import_module("mmdet.apis.train")
    wrapper = apis.MMDistributedDataParallel

    def without_devices(module: nn.Module, device_ids: Any = None, **options: Any) -> Any:
        return wrapper(module, **options)

    apis.MMDistributedDataParallel = without_devices
