"""A stand-in for the plugin: it registers the device's name and writes down who calls it.

It holds no tensors. What needs some is left to the simulated chip.
"""

from __future__ import annotations

import sys

import torch

DEVICES = 4
calls: list[tuple[str, object]] = []


class BoolTensor:
    """The type of a bool tensor on the chip; there are none here."""


class LongTensor:
    """The type of an index tensor on the chip; there are none here."""


def _told(name):
    def call(*args, **kwargs):
        calls.append((name, [*args, *kwargs.values()]))

    return call


set_device, manual_seed_all = _told("set_device"), _told("manual_seed_all")
empty_cache, synchronize = _told("empty_cache"), _told("synchronize")
reset_peak_memory_stats = _told("reset_peak_memory_stats")


def is_available() -> bool:
    return True


def device_count() -> int:
    return DEVICES


def current_device() -> int:
    return 2


def is_bf16_supported() -> bool:
    return False


def get_amp_supported_dtype() -> list[torch.dtype]:
    return [torch.float16]


def max_memory_allocated(device=None) -> int:
    return 5 * 1024 * 1024 + 1


def get_device_name(device=None) -> str:
    raise RuntimeError("not usable in torch_sdaa 1.5")


torch.utils.rename_privateuse1_backend("sdaa")
torch._register_device_module("sdaa", sys.modules[__name__])
