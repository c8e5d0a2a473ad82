"""What FSAF's head of the mmdet on the path makes of random ground truth; run in a child.

    fsaf_probe.py equal OUT      targets, losses and gradients of every case, saved with torch
    fsaf_probe.py shapes OUT     what a step asks of its device, as JSON

Nothing of the head needs a compiled operator, so a stand-in takes the place of `mmcv._ext`.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

CANVAS, STRIDES, CLASSES, LIMIT = (96, 128), (8, 16, 32, 64, 128), 5, 12
SEEDS = 3

#: Name -> what a case changes: of the head's config, of its training config, of the images.
CASES: dict[str, dict[str, Any]] = {
    "some ground truth": {},
    "one each": {"counts": (1, 1)},
    "none in one image": {"counts": (0, 4)},
    "none in any image": {"counts": (0, 0)},
    "as many as the limit": {"counts": (LIMIT, LIMIT - 1)},
    "too small for any anchor": {"counts": (3, 2), "largest": 0.01},
    "crowded with one class": {"counts": (10, 10), "classes": 1},
    "equal boxes": {"counts": (6, 6), "equal": True},
    "ignored boxes": {"ignored": (3, 0)},
    "as many ignored boxes as the limit": {"ignored": (LIMIT, 1), "counts": (0, 7)},
    "anchors in the padding": {"shapes": ((50, 70), (96, 33)), "counts": (5, 6)},
    "anchors in the padding, no ground truth": {"shapes": ((50, 70), (96, 33)), "counts": (0, 0)},
    "anchors over the border": {"train": {"allowed_border": 0}, "shapes": ((80, 90), (96, 128))},
    "foreground dominates": {"assigner": {"foreground_dominate": True}, "counts": (9, 9)},
    "wide shadows": {"assigner": {"pos_scale": 0.3, "neg_scale": 0.8}, "counts": (8, 5)},
    "weighted positives": {"train": {"pos_weight": 2.5}},
    "encoded boxes": {
        "head": {
            "reg_decoded_bbox": False,
            "loss_bbox": {"type": "SmoothL1Loss", "reduction": "none"},
        }
    },
    "recall above a score": {"head": {"score_threshold": 0.5}},
    "ids of many images": {"counts": (3, 0, 5, 1), "ignored": (0, 2, 0, 1)},
}


class Stand(types.ModuleType):
    """Has every operator; none is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


def modern() -> bool:
    """Whether the mmdet on the path is of the third generation."""
    import mmdet

    return int(mmdet.__version__.split(".")[0]) >= 3


def make_head(case: dict[str, Any]) -> Any:
    assigner = {
        "type": "CenterRegionAssigner",
        "pos_scale": 0.2,
        "neg_scale": 0.2,
        "min_pos_iof": 0.01,
        **case.get("assigner", {}),
    }
    train = {
        "assigner": assigner,
        "allowed_border": -1,
        "pos_weight": -1,
        "static_gt_limit": LIMIT,
        **case.get("train", {}),
    }
    config = {
        "type": "FSAFHead",
        "num_classes": CLASSES,
        "in_channels": 4,
        "feat_channels": 4,
        "stacked_convs": 1,
        "reg_decoded_bbox": True,
        "anchor_generator": {
            "type": "AnchorGenerator",
            "octave_base_scale": 1,
            "scales_per_octave": 1,
            "ratios": [1.0],
            "strides": list(STRIDES),
        },
        "bbox_coder": {"type": "TBLRBBoxCoder", "normalizer": 4.0},
        "loss_cls": {
            "type": "FocalLoss",
            "use_sigmoid": True,
            "gamma": 2.0,
            "alpha": 0.25,
            "reduction": "none",
        },
        "loss_bbox": {"type": "IoULoss", "eps": 1e-6, "reduction": "none"},
        "train_cfg": train,
        **case.get("head", {}),
    }
    if modern():
        from mmdet.registry import MODELS
        from mmdet.utils import register_all_modules
        from mmengine.config import ConfigDict

        register_all_modules()
        return MODELS.build(ConfigDict(config))
    from mmcv import ConfigDict
    from mmdet.models import build_head

    return build_head(ConfigDict(config))


def boxes(count: int, case: dict[str, Any], random: torch.Generator) -> torch.Tensor:
    """Random boxes on the canvas, some of them over its border."""
    height, width = CANVAS
    scale = torch.tensor([width, height]).float()
    start = torch.rand(count, 2, generator=random) * scale
    size = torch.rand(count, 2, generator=random) ** 2 * scale * case.get("largest", 0.9)
    found = torch.cat([start, start + size], dim=1)
    return found[:1].repeat(count, 1) if case.get("equal") else found


def inputs(case: dict[str, Any], seed: int) -> dict[str, Any]:
    """Predictions and ground truth, the same in every process."""
    random = torch.Generator().manual_seed(seed)
    counts = case.get("counts", (4, 7))
    shapes = case.get("shapes", (CANVAS,) * len(counts))
    levels = [(-(-CANVAS[0] // s), -(-CANVAS[1] // s)) for s in STRIDES]
    return {
        "cls": [torch.randn(len(counts), CLASSES, *level, generator=random) for level in levels],
        "box": [torch.randn(len(counts), 4, *level, generator=random).relu() for level in levels],
        "gt": [boxes(count, case, random) for count in counts],
        "labels": [
            torch.randint(case.get("classes", CLASSES), (count,), generator=random)
            for count in counts
        ],
        "ignored": [boxes(count, {}, random) for count in case["ignored"]]
        if "ignored" in case
        else None,
        "metas": [
            {"img_shape": (*shape, 3), "pad_shape": (*shape, 3), "scale_factor": 1.0}
            for shape in shapes
        ],
    }


def loss(head: Any, given: dict[str, Any]) -> Any:
    if not modern():
        return head.loss(
            given["cls"],
            given["box"],
            given["gt"],
            given["labels"],
            given["metas"],
            given["ignored"],
        )
    from mmengine.structures import InstanceData

    ignored = given["ignored"]
    return head.loss_by_feat(
        given["cls"],
        given["box"],
        [InstanceData(bboxes=gt, labels=kind) for gt, kind in zip(given["gt"], given["labels"])],
        given["metas"],
        ignored and [InstanceData(bboxes=boxes) for boxes in ignored],
    )


def answer(case: dict[str, Any], seed: int) -> dict[str, Any]:
    """All that a head computes for a case."""
    head, given = make_head(case), inputs(case, seed)
    leaves = [*given["cls"], *given["box"]]
    for leaf in leaves:
        leaf.requires_grad_()
    targets: list[Any] = []
    name = "loss_by_feat_single" if modern() else "loss_single"
    level_loss, reweight = getattr(head, name), head.reweight_loss_single
    positives: list[Any] = []

    def noted(*args: Any, **kwargs: Any) -> Any:
        targets.append(args[3:7])
        return level_loss(*args, **kwargs)

    def weighed(*args: Any, **kwargs: Any) -> Any:
        found = reweight(*args, **kwargs)
        positives.append(found[2])
        return found

    setattr(head, name, noted)
    head.reweight_loss_single = weighed
    losses = loss(head, {**given, "cls": list(given["cls"]), "box": list(given["box"])})
    sum(losses["loss_cls"] + losses["loss_bbox"]).backward()
    return {
        "targets": targets,
        "positives": positives,
        "losses": {
            key: [
                value.detach().reshape(-1)
                for value in (found if isinstance(found, list) else [found])
            ]
            for key, found in losses.items()
        },
        "gradients": [leaf.grad for leaf in leaves],
    }


def above_the_limit() -> str:
    """What is said of more ground truth than there is room for."""
    case = {"counts": (2, LIMIT + 1)}
    try:
        loss(make_head(case), inputs(case, 0))
    except ValueError as problem:
        return str(problem)
    return ""


DYNAMIC = ("nonzero", "masked_select", "_unique2", "unique_dim", "repeat_interleave")
BY_MASK = ("index", "index_put", "index_put_", "_index_put_impl_")
SYNC = ("_local_scalar_dense", "equal", "is_nonzero")


class Watch(TorchDispatchMode):
    """Counts as the simulated chip does."""

    def __init__(self) -> None:
        super().__init__()
        self.known: set[Any] = set()
        self.new: list[str] = []
        self.dynamic: list[str] = []
        self.syncs: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        tensors = list(flat((args, kwargs or {})))
        signature = (str(func), *((tuple(each.shape), each.dtype) for each in tensors))
        if signature not in self.known:
            self.known.add(signature)
            self.new.append(str(signature))
        masked = any(each.dtype in (torch.bool, torch.uint8) for each in tensors[1:])
        if name in DYNAMIC or (name in BY_MASK and masked):
            self.dynamic.append(name)
        if name in SYNC:
            self.syncs.append(name)
        return func(*args, **(kwargs or {}))


def flat(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from flat(item)
    elif isinstance(value, dict):
        yield from flat(list(value.values()))


def shapes() -> list[dict[str, list[str]]]:
    """Step by step, what varied images and ground truth ask for that was never asked for."""
    head, watch, steps = make_head({}), Watch(), []
    on_host()
    for step in range(10):
        height, width = 96 - 5 * step, 80 + 4 * step
        case = {
            "counts": (0, 0) if step == 5 else (step, (7 * step) % LIMIT),
            "ignored": (step % 3, 0),
            "shapes": ((height, width), CANVAS),
        }
        given = inputs(case, step)
        for leaf in (*given["cls"], *given["box"]):
            leaf.requires_grad_()
        watch.new, watch.dynamic, watch.syncs = [], [], []
        with watch:
            losses = loss(head, given)
            sum(losses["loss_cls"] + losses["loss_bbox"]).backward()
        steps.append({"new": watch.new, "dynamic": watch.dynamic, "syncs": watch.syncs})
    return steps


def on_host() -> None:
    """Padding is made in host memory; here, where all is, it is told apart by its name."""
    from torch.utils._python_dispatch import _disable_current_modes

    try:
        from mmdet.utils import static_shapes
    except ImportError:  # upstream has none
        return
    padded = static_shapes._padded

    def unwatched(*args: Any) -> Any:
        with _disable_current_modes():
            return padded(*args)

    static_shapes._padded = unwatched


def main() -> None:
    asked, out = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    sys.modules["mmcv._ext"] = Stand("mmcv._ext")
    if asked == "shapes":
        out.write_text(json.dumps(shapes()))
        return
    answers = {
        f"{name}, seed {seed}": answer(case, seed)
        for name, case in CASES.items()
        for seed in range(SEEDS)
    }
    torch.save({"answers": answers, "above the limit": above_the_limit()}, out)


if __name__ == "__main__":
    main()
