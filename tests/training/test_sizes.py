"""Sizes in pipelines, scaled."""

from __future__ import annotations

from typing import Any

import pytest

from porter.training.config.sizes import scale_sizes, shrink_pipeline
from porter.training.config.walk import plain

RESIZE = {"type": "Resize", "scale": (1333, 800), "keep_ratio": True}


def shrunk(*steps: dict[str, Any], longest: int = 128) -> list[dict[str, Any]]:
    pipeline: list[dict[str, Any]] = plain(list(steps))
    shrink_pipeline(pipeline, longest)
    return pipeline


CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "the longest side becomes the one asked for, the ratio stays": (
        [RESIZE],
        [{**RESIZE, "scale": (128, 77)}],
    ),
    "each of several scales": (
        [{"type": "RandomChoiceResize", "scales": [(1333, 640), (1333, 800)]}],
        [{"type": "RandomChoiceResize", "scales": [(128, 61), (128, 77)]}],
    ),
    "a crop and what it is cut from, by one factor": (
        [{"type": "RandomResize", "scale": (1280, 1280), "ratio_range": (0.1, 2.0)}, {"type": "RandomCrop", "crop_size": (640, 640)}, {"type": "Pad", "size": (640, 640)}],
        [{"type": "RandomResize", "scale": (256, 256), "ratio_range": (0.1, 2.0)}, {"type": "RandomCrop", "crop_size": (128, 128)}, {"type": "Pad", "size": (128, 128)}],
    ),
    "a negative border keeps its sign, and is no image's size": (
        [{"type": "Mosaic", "img_scale": (640, 640)}, {"type": "RandomAffine", "border": (-320, -320)}],
        [{"type": "Mosaic", "img_scale": (128, 128)}, {"type": "RandomAffine", "border": (-64, -64)}],
    ),
    "one side and the most that the other may have": (
        [{"type": "ResizeShortestEdge", "scale": 800, "max_size": 1333}],
        [{"type": "ResizeShortestEdge", "scale": 77, "max_size": 128}],
    ),
    "branches inside a choice": (
        [{"type": "RandomChoice", "transforms": [[RESIZE], [{"type": "RandomCrop", "crop_size": (384, 600)}, RESIZE]]}],
        [{"type": "RandomChoice", "transforms": [[{**RESIZE, "scale": (128, 77)}], [{"type": "RandomCrop", "crop_size": (37, 58)}, {**RESIZE, "scale": (128, 77)}]]}],
    ),
    "fractions of an image stay": (
        [RESIZE, {"type": "RandomCrop", "crop_type": "relative", "crop_size": (0.3, 0.7)}],
        [{**RESIZE, "scale": (128, 77)}, {"type": "RandomCrop", "crop_type": "relative", "crop_size": (0.3, 0.7)}],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_scales(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    assert shrunk(*before) == after


def test_a_pipeline_without_sizes_has_no_factor() -> None:
    assert (
        shrink_pipeline([{"type": "LoadImageFromFile"}, {"type": "RandomFlip", "prob": 0.5}], 128)
        == 0
    )


def test_augmentations_of_a_batch_take_the_factor_of_the_pipeline() -> None:
    augments = [
        {"type": "BatchSyncRandomResize", "random_size_range": (480, 800), "size_divisor": 32}
    ]
    scale_sizes(augments, 128 / 640)
    assert augments[0]["random_size_range"] == (96, 160)
    assert augments[0]["size_divisor"] == 32
