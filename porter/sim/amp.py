"""``torch.<device>.amp``: autocast and, where the plugin has one, GradScaler."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import torch

from porter.sim.spec import Spec


def amp_module(spec: Spec) -> ModuleType:
    """The module for a device; its GradScaler follows the trait ``own-grad-scaler``."""
    module = ModuleType(f"torch.{spec.device}.amp", "Mixed precision on the simulated device.")
    members: dict[str, Any] = {"autocast": _autocast(spec)}
    if hasattr(torch.amp, "custom_fwd"):
        for name in ("custom_fwd", "custom_bwd"):
            members[name] = functools.partial(getattr(torch.amp, name), device_type=spec.device)
    if "own-grad-scaler" in spec.traits and hasattr(torch.amp, "GradScaler"):
        members["GradScaler"] = _grad_scaler(spec.device)
    for name, value in members.items():
        setattr(module, name, value)
    return module


def _autocast(spec: Spec) -> type:
    lower = getattr(torch, spec.amp_dtypes[0]) if spec.amp_dtypes else torch.float16

    class autocast(torch.autocast):
        """``torch.autocast`` for this device, in its first dtype unless told otherwise."""

        def __init__(
            self, enabled: bool = True, dtype: torch.dtype = lower, cache_enabled: bool = True
        ) -> None:
            super().__init__(spec.device, dtype, enabled, cache_enabled)

    return autocast


def _grad_scaler(device: str) -> type:
    class GradScaler(torch.amp.GradScaler):
        """``torch.amp.GradScaler`` for this device."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(device, *arguments, **options)

    return GradScaler
