"""What mmdet 3's data preprocessor makes of images of many sizes; run in a child.

batch_probe.py equal OUT     batches of every case, saved with torch
batch_probe.py shapes OUT    new signatures of each batch, as JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from probing import Stand, Watch

CANVAS = (96, 128)
SIZES = ((50, 70), (96, 33), (96, 128), (1, 1), (64, 128), (77, 91))
CASES: dict[str, dict[str, Any]] = {
    "on a canvas": {},
    "in another channel order": {"bgr_to_rgb": True},
    "padded with a value": {"pad_value": 7, "canvas": {"pad_val": 7}},
    "padded with two values": {"pad_value": 7},
    "padded to a divisor": {"pad_size_divisor": 32},
    "on a canvas that the divisor does not divide": {"pad_size_divisor": 32, "size": (96, 130)},
    "without a canvas": {"size": None},
    "not for training": {"training": False},
}


def preprocessor(case: dict[str, Any]) -> Any:
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    register_all_modules()
    size = case.get("size", CANVAS)
    canvas = {"type": "StaticCanvas", "size": size, **case.get("canvas", {})}
    return MODELS.build(
        {
            "type": "DetDataPreprocessor",
            "mean": [123.675, 116.28, 103.53],
            "std": [58.395, 57.12, 57.375],
            "bgr_to_rgb": case.get("bgr_to_rgb", False),
            "pad_size_divisor": case.get("pad_size_divisor", 1),
            "pad_value": case.get("pad_value", 0),
            "batch_augments": [canvas] if size else None,
        }
    )


def batch(step: int) -> dict[str, Any]:
    """Two images, the same in every process."""
    from mmdet.structures import DetDataSample

    random = torch.Generator().manual_seed(step)
    images, samples = [], []
    for number in (step, step + 2):
        height, width = SIZES[number % len(SIZES)]
        images.append(torch.randint(256, (3, height, width), dtype=torch.uint8, generator=random))
        samples.append(DetDataSample(metainfo={"img_shape": (height, width)}))
    return {"inputs": images, "data_samples": samples}


def processed(case: dict[str, Any]) -> list[Any]:
    found = []
    for step in range(len(SIZES)):
        given = batch(step)
        before = [image.clone() for image in given["inputs"]]
        made = preprocessor(case)(given, training=case.get("training", True))
        kept = all(torch.equal(one, other) for one, other in zip(before, given["inputs"]))
        metas = [
            {key: sample.metainfo[key] for key in ("batch_input_shape", "pad_shape", "img_shape")}
            for sample in made["data_samples"]
        ]
        found.append((made["inputs"], metas, kept))
    return found


def too_large() -> str:
    try:
        preprocessor({"size": (95, 128)})(batch(0), training=True)
    except ValueError as problem:
        return str(problem)
    return ""


def shapes() -> list[int]:
    """New signatures of each batch; padding in host memory is told apart by its name."""
    from torch.utils._python_dispatch import _disable_current_modes

    made, watch, found = preprocessor({"bgr_to_rgb": True}), Watch(), []
    from mmdet.models.data_preprocessors import data_preprocessor as module

    pad = getattr(module, "pad_to_canvas", None)
    if pad is not None:

        def unwatched(*args: Any) -> Any:
            with _disable_current_modes():
                return pad(*args)

        module.pad_to_canvas = unwatched
    for step in range(len(SIZES)):
        given, watch.new = batch(step), []
        with watch:
            made(given, training=True)
        found.append(len(watch.new))
    return found


def main() -> None:
    asked, out = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    sys.modules["mmcv._ext"] = Stand("mmcv._ext")
    if asked == "shapes":
        out.write_text(json.dumps(shapes()))
        return
    answers = {name: processed(case) for name, case in CASES.items()}
    torch.save({"answers": answers, "too large": too_large()}, out)


if __name__ == "__main__":
    main()
