"""The helpers that rules for static shapes share: `rules/mmdet/static_shapes.py`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SOURCE = Path(__file__).parents[2] / "rules" / "mmdet" / "static_shapes.py"


@pytest.fixture(scope="module")
def shapes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("static_shapes", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_ground_truth_is_padded_up_to_the_limit(shapes: ModuleType, count: int) -> None:
    boxes, labels = torch.rand(count, 4), torch.arange(count) + 1
    padded, classes, valid = shapes.pad_ground_truth(boxes, labels, 5)
    assert padded.shape == (5, 4)
    assert torch.equal(padded[:count], boxes)
    assert not padded[count:].any()
    assert classes.tolist() == labels.tolist() + [0] * (5 - count)
    assert valid.tolist() == [True] * count + [False] * (5 - count)
    assert (padded.dtype, classes.dtype) == (boxes.dtype, labels.dtype)


def test_above_the_limit_it_raises_and_truncates_nothing(shapes: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"6 ground truth boxes.*static_gt_limit=6"):
        shapes.pad_boxes(torch.rand(6, 4), 5)


def test_the_limit_is_the_configs(shapes: ModuleType) -> None:
    assert shapes.ground_truth_limit({"static_gt_limit": 7}) == 7
    assert shapes.ground_truth_limit({}) == shapes.ground_truth_limit(None) == 128


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_one_hot_rows_of_no_class_are_empty(shapes: ModuleType, dtype: torch.dtype) -> None:
    hot = shapes.one_hot(torch.tensor([2, 3, 0, -1], dtype=dtype), 3)
    assert hot.tolist() == [[False, False, True], [False] * 3, [True, False, False], [False] * 3]


def test_a_masked_mean_minds_the_mask_alone(shapes: ModuleType) -> None:
    values = torch.tensor([1.0, float("nan"), 3.0], requires_grad=True)
    mean = shapes.masked_mean(values, torch.tensor([True, False, True]))
    mean.backward()
    assert mean.item() == 2
    assert values.grad.tolist() == [0.5, 0, 0.5]
    assert shapes.masked_mean(values, torch.zeros(3, dtype=torch.bool)).item() == 0
