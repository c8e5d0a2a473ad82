"""What mmcv's built operators are held against: formulas in plain torch, and each other.

Runs in the Python that has torch, and needs nothing of porter or pytest:

    python ops_checks.py OPS ROOT...

``OPS`` holds ``_ext``; each ``ROOT`` is put on the path. Prints a JSON object: check -> its
error, empty if it holds.
"""

from __future__ import annotations

import json
import pkgutil
import sys
import traceback
from importlib import import_module
from typing import Any

CHECKS: dict[str, Any] = {}


def check(function: Any) -> Any:
    """Register a check."""
    CHECKS[function.__name__] = function
    return function


def randn(*shape: int, scale: float = 1.0) -> Any:
    """Double-precision numbers, for gradients."""
    import torch

    return (torch.randn(*shape, dtype=torch.double) * scale).requires_grad_()


def boxes(count: int, size: float = 40.0) -> Any:
    """Boxes ``x1, y1, x2, y2`` that often overlap."""
    import torch

    corner = torch.rand(count, 2) * size
    return torch.cat([corner, corner + 1 + torch.rand(count, 2) * size / 2], dim=1)


def iou(one: Any, other: Any) -> Any:
    """Intersection over union of every pair of boxes."""
    low = one[:, None, :2].maximum(other[None, :, :2])
    high = one[:, None, 2:].minimum(other[None, :, 2:])
    inner = (high - low).clamp(min=0).prod(dim=2)
    area = (one[:, 2:] - one[:, :2]).prod(dim=1)[:, None]
    other_area = (other[:, 2:] - other[:, :2]).prod(dim=1)[None]
    return inner / (area + other_area - inner)


def kept(overlaps: Any, scores: Any, threshold: float) -> list[int]:
    """Non-maximum suppression by its definition."""
    left = scores.argsort(descending=True).tolist()
    result = []
    while left:
        best = left.pop(0)
        result.append(best)
        left = [index for index in left if overlaps[best, index] <= threshold]
    return result


def rotated(flat: Any, angle: float = 0.0) -> Any:
    """Boxes as centre, width, height and angle."""
    import torch

    size = flat[:, 2:] - flat[:, :2]
    return torch.cat([flat[:, :2] + size / 2, size, torch.full((len(flat), 1), angle)], dim=1)


@check
def every_module_finds_its_functions() -> None:
    """``load_ext`` asserts each name that a module asks for. The first check: it imports them."""
    from mmcv.utils import ext_loader

    asked: list[str] = []
    load = ext_loader.load_ext

    def counted(name: str, functions: Any) -> Any:
        asked.extend(functions)
        return load(name, functions)

    ext_loader.load_ext = counted
    import mmcv.ops

    for module in pkgutil.iter_modules(mmcv.ops.__path__):
        import_module(f"mmcv.ops.{module.name}")
    assert len(set(asked)) > 100, len(set(asked))


@check
def nms_keeps_what_its_definition_keeps() -> None:
    import torch
    from mmcv.ops import nms

    for count, threshold in [(1, 0.5), (30, 0.1), (200, 0.3), (200, 0.7)]:
        flat, scores = boxes(count), torch.rand(count)
        _, found = nms(flat, scores, threshold)
        assert found.tolist() == kept(iou(flat, flat), scores, threshold)


@check
def soft_nms_lowers_scores_by_overlap() -> None:
    import torch
    from mmcv.ops import soft_nms

    flat = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [50, 50, 60, 60]])
    found, order = soft_nms(flat, torch.tensor([0.9, 0.8, 0.7]), 0.3, method="linear")
    assert order.tolist() == [0, 2, 1]
    assert torch.allclose(found[:, 4], torch.tensor([0.9, 0.7, 0.4]))


@check
def rotated_boxes_without_an_angle_are_boxes() -> None:
    import torch
    from mmcv.ops import box_iou_rotated, nms_rotated

    flat, scores = boxes(60), torch.rand(60)
    overlaps = iou(flat, flat)
    assert torch.allclose(box_iou_rotated(rotated(flat), rotated(flat)), overlaps, atol=1e-4)
    _, found = nms_rotated(rotated(flat), scores, 0.4)
    assert found.tolist() == kept(overlaps, scores, 0.4)


@check
def a_quarter_turn_swaps_width_and_height() -> None:
    import math

    import torch
    from mmcv.ops import box_iou_rotated

    flat = boxes(40)
    turned = rotated(flat, math.pi / 2)[:, [0, 1, 3, 2, 4]]
    assert torch.allclose(box_iou_rotated(turned, rotated(flat)), iou(flat, flat), atol=1e-4)


@check
def overlaps_of_boxes_are_their_formula() -> None:
    import torch
    from mmcv.ops import bbox_overlaps

    one, other = boxes(20), boxes(30)
    assert torch.allclose(bbox_overlaps(one, other), iou(one, other), atol=1e-6)


@check
def roi_align_of_a_slope_is_the_slope() -> None:
    """Bilinear sampling of a linear image is exact; average and grid do not matter."""
    import torch
    from mmcv.ops import roi_align

    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    image = torch.stack([x, y, 2 * x - y])[None]
    rois = torch.tensor([[0, 4.0, 6.0, 20.0, 14.0]])
    found = roi_align(image, rois, (2, 4), 1.0, 2, "avg", True)
    across = torch.tensor([6.0, 10, 14, 18]) - 0.5
    down = torch.tensor([8.0, 12]) - 0.5
    expected = torch.stack([across.expand(2, 4), down[:, None].expand(2, 4)])
    assert torch.allclose(found[0, :2], expected, atol=1e-5)
    assert torch.allclose(found[0, 2], 2 * expected[0] - expected[1], atol=1e-5)


@check
def roi_align_has_its_gradient() -> None:
    import torch
    from mmcv.ops import roi_align

    rois = torch.tensor([[0, 0.7, 1.3, 5.1, 4.6], [1, 2.2, 0.4, 6.3, 6.8]], dtype=torch.double)
    for mode in ("avg", "max"):
        assert torch.autograd.gradcheck(
            lambda image, mode=mode: roi_align(image, rois, 3, 0.9, 2, mode, True),
            (randn(2, 2, 7, 7),),
        )


@check
def rotated_roi_align_without_an_angle_is_roi_align() -> None:
    """Two of the files that define the same names: each has to call its own."""
    import torch
    from mmcv.ops import roi_align, roi_align_rotated

    image, flat = randn(1, 3, 24, 24), boxes(12, 14).double()
    zeros = torch.zeros(len(flat), 1, dtype=torch.double)
    straight = roi_align(image, torch.cat([zeros, flat], 1), 4, 1.0, 2, "avg", True)
    turned = torch.cat([zeros, rotated(flat.float()).double()], 1)
    found = roi_align_rotated(image, turned, 4, 1.0, 2, True, False)
    assert torch.allclose(found, straight, atol=1e-5)
    weights = torch.randn_like(found)
    [one] = torch.autograd.grad((straight * weights).sum(), image)
    [other] = torch.autograd.grad((found * weights).sum(), image)
    assert torch.allclose(one, other, atol=1e-5)


@check
def deform_conv_without_offset_is_a_convolution() -> None:
    import torch
    from mmcv.ops import deform_conv2d

    image, weight = randn(2, 4, 9, 8), randn(6, 2, 3, 3)
    offset = torch.zeros(2, 18, 5, 4, dtype=torch.double)
    found = deform_conv2d(image, offset, weight, 2, 1, 1, 2)
    expected = torch.nn.functional.conv2d(image, weight, None, 2, 1, 1, 2)
    assert torch.allclose(found, expected)
    factors = torch.randn_like(expected)
    ours = torch.autograd.grad((found * factors).sum(), (image, weight))
    theirs = torch.autograd.grad((expected * factors).sum(), (image, weight))
    assert all(torch.allclose(a, b) for a, b in zip(ours, theirs))


@check
def deform_conv_with_a_whole_offset_is_a_shift() -> None:
    import torch
    from mmcv.ops import deform_conv2d

    image, weight = randn(1, 2, 8, 8), randn(3, 2, 1, 1)
    offset = torch.ones(1, 2, 8, 8, dtype=torch.double)
    shifted = torch.zeros_like(image)
    shifted[..., :-1, :-1] = image[..., 1:, 1:]
    expected = torch.nn.functional.conv2d(shifted, weight)
    assert torch.allclose(deform_conv2d(image, offset, weight), expected)


@check
def deform_conv_has_its_gradients() -> None:
    import torch
    from mmcv.ops import deform_conv2d

    def convolve(image: Any, offset: Any, weight: Any) -> Any:
        return deform_conv2d(image, offset, weight, 1, 1, 1, 1, 1)

    offset = (torch.rand(1, 18, 4, 4, dtype=torch.double) * 0.6 + 0.2).requires_grad_()
    inputs = (randn(1, 2, 4, 4), offset, randn(2, 2, 3, 3))
    assert torch.autograd.gradcheck(convolve, inputs)


@check
def modulated_deform_conv_with_a_mask_of_ones_is_a_convolution() -> None:
    import torch
    from mmcv.ops import modulated_deform_conv2d

    image, weight, bias = randn(2, 4, 7, 7), randn(6, 4, 3, 3), randn(6)
    offset = torch.zeros(2, 18, 7, 7, dtype=torch.double)
    mask = torch.ones(2, 9, 7, 7, dtype=torch.double)
    expected = torch.nn.functional.conv2d(image, weight, bias, 1, 1)
    found = modulated_deform_conv2d(image, offset, mask, weight, bias, 1, 1)
    assert torch.allclose(found, expected)
    half = modulated_deform_conv2d(image, offset, mask / 2, weight, bias, 1, 1)
    plain = torch.nn.functional.conv2d(image, weight, None, 1, 1)
    assert torch.allclose(half, plain / 2 + bias[:, None, None])


@check
def modulated_deform_conv_has_its_gradients() -> None:
    import torch
    from mmcv.ops import modulated_deform_conv2d

    def convolve(image: Any, offset: Any, mask: Any, weight: Any, bias: Any) -> Any:
        return modulated_deform_conv2d(image, offset, mask, weight, bias, 1, 1)

    offset = (torch.rand(1, 18, 4, 4, dtype=torch.double) * 0.6 + 0.2).requires_grad_()
    mask = torch.rand(1, 9, 4, 4, dtype=torch.double).requires_grad_()
    inputs = (randn(1, 2, 4, 4), offset, mask, randn(2, 2, 3, 3), randn(2))
    assert torch.autograd.gradcheck(convolve, inputs)


@check
def psamask_puts_each_mask_around_its_place() -> None:
    """The file with macros called ``min`` and ``max``."""
    import torch
    from mmcv.ops import PSAMask

    size, window = 4, 5
    image = torch.randn(1, window * window, size, size)
    expected = torch.zeros(1, size * size, size, size)
    for row in range(size):
        for column in range(size):
            for index in range(window * window):
                down = row + index // window - window // 2
                across = column + index % window - window // 2
                if 0 <= down < size and 0 <= across < size:
                    expected[0, down * size + across, row, column] = image[0, index, row, column]
    assert torch.equal(PSAMask("collect", (window, window))(image), expected)


@check
def points_are_found_in_boxes() -> None:
    import torch
    from mmcv.ops import points_in_boxes_cpu

    points = torch.tensor([[[0.0, 0, 1], [5, 0, 1], [1.9, 0.9, 0.1], [0, 0, 3]]])
    box = torch.tensor([[[0.0, 0, 0, 4, 2, 2, 0]]])
    assert points_in_boxes_cpu(points, box)[0, :, 0].tolist() == [1, 0, 1, 0]


@check
def voxels_hold_their_points() -> None:
    import torch
    from mmcv.ops import Voxelization

    points = torch.tensor([[0.5, 0.5, 0.5, 7], [0.6, 0.4, 0.5, 8], [2.5, 1.5, 0.5, 9]])
    voxels, places, counts = Voxelization([1, 1, 1], [0, 0, 0, 4, 4, 1], 5, 10)(points)
    assert places.tolist() == [[0, 0, 0], [0, 1, 2]]
    assert counts.tolist() == [2, 1]
    assert torch.equal(voxels[0, :2], points[:2])


@check
def contours_grow_from_their_kernel() -> None:
    """The file that opens ``std``."""
    import numpy
    from mmcv.ops import contour_expand

    whole = numpy.ones((6, 6), dtype=numpy.uint8)
    label = numpy.zeros((6, 6), dtype=numpy.int32)
    label[2, 2] = 1
    found = contour_expand(numpy.stack([whole, label.astype(numpy.uint8)]), label, 1, 2)
    assert (numpy.array(found) == 1).all()


@check
def what_has_no_cpu_kernel_says_so() -> None:
    import torch
    from mmcv.ops import sigmoid_focal_loss

    error = ""
    try:
        sigmoid_focal_loss(torch.randn(2, 3), torch.tensor([0, 1]), 2.0, 0.25, None, "none")
    except RuntimeError as problem:
        error = str(problem)
    assert "implementation for device cpu not found" in error


def main() -> None:
    """Run all checks."""
    ops, *roots = sys.argv[1:]
    sys.path[:0] = roots
    import mmcv
    import torch

    mmcv.__path__.append(ops)
    torch.set_num_threads(1)
    results = {}
    for name, function in CHECKS.items():
        torch.manual_seed(1)
        try:
            function()
        except Exception:
            results[name] = traceback.format_exc()
        else:
            results[name] = ""
    print(json.dumps(results))


if __name__ == "__main__":
    main()
