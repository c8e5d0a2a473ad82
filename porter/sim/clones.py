"""Kernels of a vendor that misread a tensor in the chip's inner layout, and read a clone right.

The simulated chip has no inner layout. It remembers which tensors are clones, and has such a
kernel read any other one's channels in reverse: the shapes fit, and the numbers do not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

MARK = "_porter_is_clone"


def remember_clones(device: str) -> None:
    """Mark from now on what ``clone`` makes on the device."""
    import torch

    tensor: Any = torch.Tensor
    for owner in (tensor, torch):
        owner.clone = _marking(owner.clone, device)


def _marking(clone: Callable[..., Any], device: str) -> Callable[..., Any]:
    @functools.wraps(clone)
    def marked(*arguments: Any, **options: Any) -> Any:
        made = clone(*arguments, **options)
        if made.device.type == device:
            setattr(made, MARK, True)
        return made

    return marked


def misread(kernel: Callable[..., Any], device: str) -> Callable[..., Any]:
    """The kernel, which reads a first argument on the device wrong unless it is a clone."""

    @functools.wraps(kernel)
    def reading(first: Any, *arguments: Any, **options: Any) -> Any:
        if first.device.type == device and not hasattr(first, MARK):
            first = first.flip(1)
        return kernel(first, *arguments, **options)

    return reading
