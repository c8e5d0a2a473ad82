"""Image sizes in pipelines, scaled so that the longest side is the one asked for.

A pipeline's own size is the longest side that it names most often (the greater one of two):
DETR's crops and RTMDet's twofold resize name others, once. All its sizes are scaled by the
same factor, so ratios stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from porter.training.config.walk import dicts

#: Keys of mmdet's and mmcv's transforms whose integers are pixels.
PIXELS = (
    "scale",
    "scales",
    "img_scale",
    "img_scales",
    "crop_size",
    "size",
    "max_size",
    "border",
    "random_size_range",
)
#: Of those, the ones that say nothing about how large the images become.
NOT_A_SIDE = ("border", "random_size_range")


def shrink_pipeline(pipeline: Any, longest: int) -> float:
    """Scale the sizes of a pipeline in place.

    Returns:
        The factor; 0 if the pipeline names no size.
    """
    sides = Counter(
        side
        for step in dicts(pipeline)
        for key in PIXELS
        if key not in NOT_A_SIDE
        for side in _sides(step.get(key))
    )
    if not sides:
        return 0.0
    own = max(sides, key=lambda side: (sides[side], side))
    scale_sizes(pipeline, longest / own)
    return longest / own


def scale_sizes(steps: Any, factor: float) -> None:
    """Scale every size in transforms, augmentations or a preprocessor, in place."""
    for step in dicts(steps):
        for key in PIXELS:
            if key in step:
                step[key] = _scaled(step[key], factor)


def _sides(value: Any) -> Iterator[int]:
    """The longest side of each size in a value; fractions are of an image, not pixels."""
    if _is_pixels(value):
        yield value
    elif isinstance(value, (list, tuple)):
        if value and all(map(_is_pixels, value)):
            yield max(value)
        else:
            for item in value:
                yield from _sides(item)


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_scaled(item, factor) for item in value)
    if not _is_pixels(abs(value) if isinstance(value, int) else value):
        return value
    return int(value / abs(value)) * max(1, round(abs(value) * factor))


def _is_pixels(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 1
