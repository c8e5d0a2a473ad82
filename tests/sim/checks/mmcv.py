"""mmcv's compiled module, stood in for by one that looks only at what the real one looks at."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from porter.sim import counters

SIMULATE = (
    'device_count = 2\nvendor_mmcv_ops = ["nms", "roi_align"]\n'
    'clone_only_mmcv_ops = ["roi_align"]\n'
)

EXTENSION = """
import torch

def dispatch(name, tensor):
    if tensor.device.type != "cpu":
        raise RuntimeError(f"{name}_impl: implementation for device {tensor.device} not found.")

def nms(boxes, scores, iou_threshold, offset):
    dispatch("nms", boxes)
    return scores.argsort(descending=True)

def roi_align_forward(input, rois, output, aligned_height):
    dispatch("roi_align_forward", input)
    output.copy_(input * aligned_height)

def roi_align_backward(grad, rois):
    return [grad, grad + 1], 3

def softmax_focal_loss_forward(input):
    dispatch("softmax_focal_loss_forward", input)
"""

_loaded: list[Any] = []


def extension() -> Any:
    """``mmcv._ext``, imported as mmcv imports it."""
    if not _loaded:
        folder = Path(tempfile.mkdtemp()) / "mmcv"
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "_ext.py").write_text(EXTENSION, encoding="utf-8")
        sys.path.insert(0, str(folder.parent))
        _loaded.append(importlib.import_module("mmcv._ext"))
    return _loaded[0]


def check_a_shipped_operator_runs_on_the_device() -> None:
    boxes, scores = (
        torch.rand(3, 4, device="sdaa:1"),
        torch.tensor([0.1, 0.9, 0.5], device="sdaa:1"),
    )
    counters(reset=True)
    kept = extension().nms(boxes, scores, iou_threshold=0.5, offset=0)
    assert kept.device == boxes.device
    assert kept.tolist() == [1, 2, 0]
    assert counters().dynamic_shape_ops == 1


def check_an_operator_writes_into_device_memory() -> None:
    x, out = torch.ones(1, 4, device="sdaa"), torch.zeros(1, 4, device="sdaa")
    extension().roi_align_forward(x, x, out, aligned_height=7)
    assert out.tolist() == [[7, 7, 7, 7]]


def read_by_roi_align(given: torch.Tensor) -> list[float]:
    out = torch.zeros_like(given)
    extension().roi_align_forward(given, given, out, aligned_height=1)
    values: list[float] = out.flatten().tolist()
    return values


def check_a_kernel_that_wants_clones_misreads_any_other_tensor() -> None:
    given = torch.arange(4.0, device="sdaa").reshape(1, 4)
    assert read_by_roi_align(given) == [3, 2, 1, 0]
    assert read_by_roi_align(given.contiguous()) == [3, 2, 1, 0]
    assert read_by_roi_align(given.clone()) == [0, 1, 2, 3]
    assert read_by_roi_align(torch.clone(given)) == [0, 1, 2, 3]
    assert read_by_roi_align(given.clone() + 1) == [4, 3, 2, 1], "a clone's sum is no clone"
    assert read_by_roi_align(given.cpu()) == [0, 1, 2, 3]


def check_nested_results_come_back_to_the_device() -> None:
    (first, second), count = extension().roi_align_backward(torch.ones(2, device="sdaa"), None)
    assert first.is_sdaa
    assert second.is_sdaa
    assert count == 3


def check_cpu_tensors_are_left_to_mmcv() -> None:
    assert extension().nms(torch.rand(2, 4), torch.tensor([0.1, 0.9]), 0.5, 0).device.type == "cpu"


def check_mixed_tensors_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"nms: tensors on .*sdaa:0"):
        extension().nms(torch.rand(2, 4, device="sdaa"), torch.rand(2), 0.5, 0)


def check_other_operators_fail_as_mmcv_does() -> None:
    with pytest.raises(RuntimeError, match="implementation for device sdaa:0 not found"):
        extension().softmax_focal_loss_forward(torch.rand(2, device="sdaa"))


def check_an_operator_that_mmcv_has_not_is_an_error() -> None:
    from porter.errors import TargetFileError
    from porter.sim.install import _installed
    from porter.sim.mmcv_ops import wrap_ops

    with pytest.raises(TargetFileError, match="vendor_mmcv_ops: mmcv has no operator 'nms'"):
        wrap_ops(ModuleType("mmcv._ext"), _installed[0].spec, _installed[0].native)


def check_the_extension_is_found_as_any_module() -> None:
    found = importlib.util.find_spec("mmcv._ext")
    assert found is not None
    assert found.origin is not None
    assert found.origin.endswith("_ext.py")
