"""What the GFL heads and ATSSAssigner of the mmdet on the path make of random input; run in a child.

    gfl_probe.py equal OUT      targets, losses and gradients of every case, saved with torch
    gfl_probe.py shapes OUT     what a step asks of its device, as JSON

Nothing of the heads needs a compiled operator, so a stand-in takes the place of `mmcv._ext`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from probing import Stand, Watch, modern, on_host  # beside this file

CANVAS, STRIDES, CLASSES, REG_MAX, LIMIT = (96, 128), (8, 16, 32, 64, 128), 5, 7, 12
SEEDS = 3

#: Name -> what a case changes: of the head's training config, of its assigner, of the images.
CASES: dict[str, dict[str, Any]] = {
    "some ground truth": {},
    "one each": {"counts": (1, 1)},
    "none in one image": {"counts": (0, 4)},
    "none in any image": {"counts": (0, 0)},
    "as many as the limit": {"counts": (LIMIT, LIMIT - 1)},
    "no positives": {"counts": (3, 2), "largest": 0.001},
    "equal boxes": {"counts": (6, 6), "equal": True},
    "boxes on whole pixels": {"counts": (6, 6), "whole": True},
    "ignored boxes": {"ignored": (3, 0), "assigner": {"ignore_iof_thr": 0.5}},
    "as many ignored boxes as the limit": {
        "ignored": (LIMIT, 1),
        "assigner": {"ignore_iof_thr": 0.3},
    },
    "ignored boxes, no ground truth": {
        "ignored": (3, 2),
        "counts": (0, 3),
        "assigner": {"ignore_iof_thr": 0.3},
    },
    "ignored boxes that are not asked for": {"ignored": (3, 1)},
    "anchors in the padding": {"shapes": ((50, 70), (96, 33)), "counts": (5, 6)},
    "anchors in the padding, ignored boxes": {
        "shapes": ((50, 70), (96, 33)),
        "ignored": (3, 2),
        "assigner": {"ignore_iof_thr": 0.3},
    },
    "anchors in the padding, no ground truth": {"shapes": ((50, 70), (96, 33)), "counts": (0, 0)},
    "anchors over the border": {"train": {"allowed_border": 0}, "shapes": ((80, 90), (96, 128))},
    "few candidates": {"assigner": {"topk": 1}},
    "all anchors are candidates": {"assigner": {"topk": 500}},
    "weighted positives": {"train": {"pos_weight": 2.5}},
    "many images": {"counts": (3, 0, 5, 1)},
    "saturated scores": {"scale": 1000},
}
HEADS = ("GFLHead", "GFocalHead")

#: Heads that no rule is about, but that use what the rules edit, or the same anchors and samplers.
OTHERS: dict[str, dict[str, Any]] = {
    "ATSSHead": {
        "loss_cls": {"type": "FocalLoss", "use_sigmoid": True},
        "loss_centerness": {"type": "CrossEntropyLoss", "use_sigmoid": True},
        "norm_cfg": None,
        "stacked_convs": 1,
    },
    "LDHead": {"loss_ld": {"type": "KnowledgeDistillationKLDivLoss", "loss_weight": 0.25, "T": 10}},
    "RetinaHead": {
        "loss_cls": {"type": "FocalLoss", "use_sigmoid": True},
        "loss_bbox": {"type": "L1Loss"},
        "stacked_convs": 1,
        "train_cfg": {
            "assigner": {
                "type": "MaxIoUAssigner",
                "pos_iou_thr": 0.5,
                "neg_iou_thr": 0.4,
                "min_pos_iou": 0,
                "ignore_iof_thr": 0.5,
            },
            "allowed_border": -1,
            "pos_weight": -1,
        },
    },
    "RPNHead": {
        "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True},
        "loss_bbox": {"type": "L1Loss"},
        "train_cfg": {
            "assigner": {
                "type": "MaxIoUAssigner",
                "pos_iou_thr": 0.7,
                "neg_iou_thr": 0.3,
                "min_pos_iou": 0.3,
                "match_low_quality": True,
            },
            "sampler": {
                "type": "RandomSampler",
                "num": 64,
                "pos_fraction": 0.5,
                "neg_pos_ub": -1,
                "add_gt_as_proposals": False,
            },
            "allowed_border": -1,
            "pos_weight": -1,
        },
    },
}
OTHER_CASES = ("some ground truth", "none in one image", "ignored boxes", "anchors in the padding")


def has_ld() -> bool:
    """Whether there is LDHead, which mmdet 2.11 brings."""
    from mmdet.models import dense_heads

    return hasattr(dense_heads, "LDHead")


def built(kind: str, config: dict[str, Any]) -> Any:
    """A part of mmdet: `head`, `assigner` or `loss`."""
    if modern():
        from mmdet.registry import MODELS, TASK_UTILS
        from mmdet.utils import register_all_modules
        from mmengine.config import ConfigDict

        register_all_modules()
        return (TASK_UTILS if kind == "assigner" else MODELS).build(ConfigDict(config))
    from mmcv import ConfigDict
    from mmdet import core, models

    build = core.build_assigner if kind == "assigner" else getattr(models, f"build_{kind}")
    return build(ConfigDict(config))


def make_head(case: dict[str, Any], name: str) -> Any:
    torch.manual_seed(7)  # the same parameters in every process
    train = {
        "assigner": {"type": "ATSSAssigner", "topk": 9, **case.get("assigner", {})},
        "allowed_border": -1,
        "pos_weight": -1,
        "static_gt_limit": LIMIT,
        **case.get("train", {}),
    }
    config = {
        "type": name,
        "num_classes": CLASSES,
        "in_channels": 4,
        "feat_channels": 4,
        "stacked_convs": 1,
        "norm_cfg": None,
        "anchor_generator": {
            "type": "AnchorGenerator",
            "octave_base_scale": 8,
            "scales_per_octave": 1,
            "ratios": [1.0],
            "strides": list(STRIDES),
        },
        "loss_cls": {"type": "QualityFocalLoss", "use_sigmoid": name != "GFocalHead", "beta": 2.0},
        "loss_dfl": {"type": "DistributionFocalLoss", "loss_weight": 0.25},
        "loss_bbox": {"type": "GIoULoss", "loss_weight": 2.0},
        "reg_max": REG_MAX,
        "train_cfg": train,
    }
    if name in OTHERS and name != "LDHead":
        for key in ("loss_dfl", "reg_max", "norm_cfg", "stacked_convs"):
            config.pop(key)
    if name == "RPNHead":
        config["num_classes"] = 1
        if not modern():  # there it is no parameter
            config.pop("num_classes")
    return built("head", {**config, **OTHERS.get(name, {}), **case.get("head", {})})


def boxes(count: int, case: dict[str, Any], random: torch.Generator) -> torch.Tensor:
    """Random boxes on the canvas, some of them over its border."""
    height, width = CANVAS
    scale = torch.tensor([width, height]).float()
    start = torch.rand(count, 2, generator=random) * scale
    size = torch.rand(count, 2, generator=random) * scale * case.get("largest", 0.9)
    found = torch.cat([start, start + size], dim=1)
    if case.get("whole"):
        found = found.round()
    return found[:1].repeat(count, 1) if case.get("equal") else found


def inputs(case: dict[str, Any], seed: int) -> dict[str, Any]:
    """Features and ground truth, the same in every process."""
    random = torch.Generator().manual_seed(seed)
    counts = case.get("counts", (4, 7))
    shapes = case.get("shapes", (CANVAS,) * len(counts))
    levels = [(-(-CANVAS[0] // s), -(-CANVAS[1] // s)) for s in STRIDES]
    return {
        "scale": case.get("scale", 3),
        "features": [torch.randn(len(counts), 4, *level, generator=random) for level in levels],
        "gt": [boxes(count, case, random) for count in counts],
        "labels": [torch.randint(CLASSES, (count,), generator=random) for count in counts],
        "ignored": [boxes(count, {}, random) for count in case["ignored"]]
        if "ignored" in case
        else None,
        "metas": [
            {"img_shape": (*shape, 3), "pad_shape": (*shape, 3), "scale_factor": 1.0}
            for shape in shapes
        ],
    }


def loss(head: Any, given: dict[str, Any]) -> Any:
    outs = head([given["scale"] * level for level in given["features"]])
    soft: tuple[Any, ...] = ()
    if type(head).__name__ == "LDHead":
        soft = ([level.detach().flip(0) for level in outs[1]],)
    if not modern():
        labels = () if type(head).__name__ == "RPNHead" else (given["labels"],)
        return head.loss(*outs, given["gt"], *labels, *soft, given["metas"], given["ignored"])
    from mmengine.structures import InstanceData

    ignored = given["ignored"]
    return head.loss_by_feat(
        *outs,
        [InstanceData(bboxes=gt, labels=kind) for gt, kind in zip(given["gt"], given["labels"])],
        given["metas"],
        *soft,
        ignored and [InstanceData(bboxes=boxes) for boxes in ignored],
    )


def total(losses: dict[str, Any]) -> torch.Tensor:
    return sum(torch.stack(found).sum() for found in losses.values())  # type: ignore[return-value]


def answer(case: dict[str, Any], name: str, seed: int) -> dict[str, Any]:
    """All that a head computes for a case."""
    head, given = make_head(case, name), inputs(case, seed)
    for leaf in given["features"]:
        leaf.requires_grad_()
    targets: list[Any] = []
    single = "loss_by_feat_single" if modern() else "loss_single"
    level_loss = getattr(head, single)

    def noted(*args: Any, **kwargs: Any) -> Any:
        targets.append((args[0], args[3], args[4], args[5], torch.tensor(float(*kwargs.values()))))
        return level_loss(*args, **kwargs)

    setattr(head, single, noted)
    losses = loss(head, given)
    total(losses).backward()
    gradients = [leaf.grad for leaf in given["features"]]
    return {
        "targets": targets,
        "losses": {key: [value.detach() for value in found] for key, found in losses.items()},
        "gradients": [*gradients, *(p.grad for _, p in sorted(head.named_parameters()))],
    }


def other(name: str, case: dict[str, Any], seed: int) -> dict[str, Any]:
    """Losses and gradients of a head that no rule is about."""
    head, given = make_head(case, name), inputs(case, seed)
    if name == "RPNHead":
        given["labels"] = [labels * 0 for labels in given["labels"]]
    for leaf in given["features"]:
        leaf.requires_grad_()
    torch.manual_seed(seed)  # RandomSampler draws
    losses = loss(head, given)
    total(losses).backward()
    return {
        "losses": {key: [value.detach() for value in found] for key, found in losses.items()},
        "gradients": [leaf.grad for leaf in given["features"]],
    }


def assigned(case: dict[str, Any], seed: int) -> dict[str, Any]:
    """What `assign` returns to any of its callers, for the anchors of the first image."""
    head, given = make_head(case, "GFLHead"), inputs(case, seed)
    generator = head.prior_generator if modern() else head.anchor_generator
    sizes = [level.shape[-2:] for level in given["features"]]
    levels = (generator.grid_priors if modern() else generator.grid_anchors)(sizes, device="cpu")
    counts, anchors = [len(level) for level in levels], torch.cat(levels)
    ignored = None if given["ignored"] is None else given["ignored"][0]
    if modern():
        from mmengine.structures import InstanceData

        found = head.assigner.assign(
            InstanceData(priors=anchors),
            counts,
            InstanceData(bboxes=given["gt"][0], labels=given["labels"][0]),
            None if ignored is None else InstanceData(bboxes=ignored),
        )
    else:
        truth = (given["gt"][0], ignored, given["labels"][0])
        found = head.assigner.assign(anchors, counts, *truth)
    return {name: getattr(found, name) for name in ("gt_inds", "max_overlaps", "labels", "num_gts")}


def focal(seed: int) -> dict[str, Any]:
    """Quality focal loss with labels of positives, of background and of none."""
    random = torch.Generator().manual_seed(seed)
    pred = torch.randn(40, CLASSES, generator=random) * 4
    labels = torch.randint(-1, CLASSES + 1, (40,), generator=random)
    quality = torch.rand(40, generator=random)
    weight = torch.rand(40, generator=random)
    found = {}
    targets: dict[str, Any] = {"labels": (labels, quality)}
    options: dict[str, dict[str, Any]] = {"logits": {}, "beta 1.5": {"beta": 1.5}}
    if modern():
        dense = torch.rand(40, CLASSES, generator=random)
        targets["dense"] = dense * (dense > 0.5)
        options["probabilities"] = {"activated": True}
    for option, settings in options.items():
        for name, target in targets.items():
            leaf = (pred.sigmoid() if "activated" in settings else pred.clone()).requires_grad_()
            function = built("loss", {"type": "QualityFocalLoss", **settings})
            value = function(leaf, target, weight=weight, avg_factor=7.0)
            value.backward()
            found[f"{option}, {name}"] = (value.detach(), leaf.grad)
    return found


def above_the_limit(name: str) -> str:
    """What is said of more ground truth than there is room for."""
    case = {"counts": (2, LIMIT + 1)}
    try:
        loss(make_head(case, name), inputs(case, 0))
    except ValueError as problem:
        return str(problem)
    return ""


def shapes(name: str) -> list[dict[str, list[str]]]:
    """Step by step, what varied images and ground truth ask for that was never asked for."""
    head = make_head({"assigner": {"ignore_iof_thr": 0.4}}, name)
    watch, steps = Watch(), []
    on_host()
    for step in range(10):
        height, width = 96 - 5 * step, 80 + 4 * step
        case = {
            "counts": (0, 0) if step == 5 else (step, (7 * step) % LIMIT),
            "ignored": (step % 3, 1),
            "shapes": ((height, width), CANVAS),
        }
        given = inputs(case, step)
        head.zero_grad()
        watch.forget()
        with watch:
            total(loss(head, given)).backward()
        steps.append({"new": watch.new, "dynamic": watch.dynamic, "sums": watch.sums})
    return steps


def main() -> None:
    asked, out = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    sys.modules["mmcv._ext"] = Stand("mmcv._ext")
    if asked == "shapes":
        out.write_text(json.dumps({name: shapes(name) for name in HEADS}))
        return
    cases = [(name, case, seed) for name, case in CASES.items() for seed in range(SEEDS)]
    found = {
        "others": {
            f"{name}: {case}": other(name, CASES[case], 0)
            for name in OTHERS
            for case in OTHER_CASES
            if name != "LDHead" or has_ld()
        },
        "assigned": {f"{name}, seed {seed}": assigned(case, seed) for name, case, seed in cases},
        "focal": {
            f"{key}, seed {seed}": v for seed in range(SEEDS) for key, v in focal(seed).items()
        },
        "above the limit": {name: above_the_limit(name) for name in HEADS},
        "heads": {
            f"{head}: {name}, seed {seed}": answer(case, head, seed)
            for head in HEADS
            for name, case, seed in cases
        },
    }
    torch.save(found, out)


if __name__ == "__main__":
    main()
