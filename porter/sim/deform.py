"""Ascend's deformable convolution, computed on the host: what mmcv calls on an NPU.

torch_npu's two operators carry mmcv's ``DeformConv2d`` and ``ModulatedDeformConv2d``. Their
offsets are one tensor (N, 3 * G * K, H, W) for G deformable groups and K kernel points: all x
offsets, all y offsets, all masks. Plain PyTorch computes them here, so results agree with
mmcv's CPU kernel up to rounding, not bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


def npu_deformable_conv2d(
    input: Tensor, weight: Tensor, offset: Tensor, bias: Tensor | None, **options: Any
) -> tuple[Tensor, Tensor]:
    """The convolution, and the sampled input that the backward operator of a real NPU uses."""
    with torch.no_grad():
        output, columns = _convolve(*_on_host(input, weight, offset, bias), **options)
    return output.to(input), columns.to(input)


def npu_deformable_conv2dbk(
    input: Tensor, grad: Tensor, offset_out: Tensor, weight: Tensor, offset: Tensor, **options: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the input, the weight, the offsets with the masks, and the bias."""
    bias = weight.new_zeros(weight.shape[0])
    leaves = [
        leaf.requires_grad_() for leaf in _on_host(input, weight, offset, bias) if leaf is not None
    ]
    with torch.enable_grad():
        output, _ = _convolve(*leaves, **options)
    found = torch.autograd.grad(output, leaves, _on_host(grad)[0])
    of_input, of_weight, of_offset, of_bias = (part.to(input) for part in found)
    return of_input, of_weight, of_offset, of_bias


def _on_host(*tensors: Tensor | None) -> list[Any]:
    host = torch.ops.porter_sim.host
    return [None if t is None else host(t.detach()).float().detach() for t in tensors]


def _convolve(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    bias: Tensor | None,
    *,
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int = 1,
    deformable_groups: int = 1,
    modulated: bool = True,
) -> tuple[Tensor, Tensor]:
    batch, _, height, width = offset.shape
    columns = _sample(
        input, offset, weight.shape[2:], stride[2:], padding[::2], dilation[2:], deformable_groups
    )
    filters = weight.reshape(groups, weight.shape[0] // groups, -1)
    parts = columns.reshape(batch, groups, filters.shape[2], height * width)
    output = torch.einsum("gok,ngkp->ngop", filters, parts).reshape(batch, -1, height, width)
    return (output if bias is None else output + bias.view(-1, 1, 1)), columns


def _sample(
    input: Tensor,
    offset: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    """The input at every kernel point, (N, C, K, H, W), bilinear, zero outside."""
    batch, channels, rows, columns = input.shape
    height, width = offset.shape[2:]
    points = kernel[0] * kernel[1]
    split = offset.reshape(batch, 3, groups, points, height, width)
    y = split[:, 1] + _grid(height, width, kernel, stride, padding, dilation, 0)
    x = split[:, 0] + _grid(height, width, kernel, stride, padding, dilation, 1)
    places = torch.stack([(2 * x + 1) / columns - 1, (2 * y + 1) / rows - 1], dim=-1)
    sampled = grid_sample(
        input.reshape(batch * groups, channels // groups, rows, columns),
        places.reshape(batch * groups, points * height, width, 2),
        align_corners=False,
    )
    parts = sampled.reshape(batch, groups, channels // groups, points, height, width)
    return (parts * split[:, 2].unsqueeze(2)).reshape(batch, channels, points, height, width)


def _grid(
    height: int, width: int, kernel: Any, stride: Any, padding: Any, dilation: Any, axis: int
) -> Tensor:
    """Where the kernel points lie without offsets, along one axis, in pixels: (K, H, W)."""
    steps = torch.arange((height, width)[axis]) * stride[axis] - padding[axis]
    taps = (torch.arange(kernel[axis]) * dilation[axis]).float()
    taps = taps.repeat_interleave(kernel[1]) if axis == 0 else taps.repeat(kernel[0])
    steps = steps.view(-1, 1) if axis == 0 else steps.view(1, -1)
    return (taps.view(-1, 1, 1) + steps).expand(-1, height, width)
