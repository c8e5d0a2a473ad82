"""What FSAF's head of the mmdet on the path makes of random ground truth; run in a child.

    fsaf_probe.py equal OUT      targets, losses and gradients of every case, saved with torch
    fsaf_probe.py shapes OUT     what a step asks of its device, as JSON
    fsaf_probe.py chip OUT       what the simulated NPU counts of such steps, and their losses

Nothing of the head needs a compiled operator, so a stand-in takes the place of `mmcv._ext`.
"""

from __future__ import annotations

import inspect
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch
from probing import Stand, Watch, modern, on_host  # beside this file

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
    "under autocast": {"autocast": True},
    "another assigner": {
        "other assigner": {"type": "MaxIoUAssigner", "pos_iou_thr": 0.5, "neg_iou_thr": 0.4},
        "counts": (6, 3),
    },
    "targets of a subclass": {"subclass": True},
}


@cache
def subclass() -> str:
    """The name of a head whose targets are its own: labels one class on."""
    from mmdet.models.dense_heads.fsaf_head import FSAFHead

    class OwnTargets(FSAFHead):  # type: ignore[misc]
        def _get_targets_single(self, *args: Any, **kwargs: Any) -> Any:
            labels, *rest = super()._get_targets_single(*args, **kwargs)
            return (torch.where(labels < CLASSES, (labels + 1) % CLASSES, labels), *rest)

    if modern():
        from mmdet.registry import MODELS as HEADS
    else:
        from mmdet.models.builder import HEADS
    HEADS.register_module()(OwnTargets)
    return OwnTargets.__name__


def make_head(case: dict[str, Any]) -> Any:
    assigner = {
        "type": "CenterRegionAssigner",
        "pos_scale": 0.2,
        "neg_scale": 0.2,
        "min_pos_iof": 0.01,
        **case.get("assigner", {}),
    }
    train = {
        "assigner": case.get("other assigner", assigner),
        "allowed_border": -1,
        "pos_weight": -1,
        "static_gt_limit": LIMIT,
        **case.get("train", {}),
    }
    config = {
        "type": subclass() if case.get("subclass") else "FSAFHead",
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
    with torch.autocast("cpu", enabled=case.get("autocast", False)):
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


def sampled(seed: int) -> dict[str, Any]:
    """What `get_targets` tells who asks for sampling results."""
    case = {"counts": (4, 0), "shapes": ((50, 70), (96, 128))}
    head, given = make_head(case), inputs(case, seed)
    anchors, flags = head.get_anchors(
        [scores.shape[-2:] for scores in given["cls"]], given["metas"], device="cpu"
    )
    if modern():
        from mmengine.structures import InstanceData

        truth = [
            InstanceData(bboxes=gt, labels=kind) for gt, kind in zip(given["gt"], given["labels"])
        ]
        found = head.get_targets(
            anchors, flags, truth, given["metas"], return_sampling_results=True
        )
    else:
        found = head.get_targets(
            anchors,
            flags,
            given["gt"],
            given["metas"],
            gt_labels_list=given["labels"],
            label_channels=CLASSES,
            return_sampling_results=True,
        )
    tensors, numbers, samples = [], [], []
    for item in found:
        if isinstance(item, list) and not isinstance(item[0], torch.Tensor):
            samples = [(each.pos_inds, each.neg_inds, each.pos_gt_bboxes) for each in item]
        elif isinstance(item, list):
            tensors += item
        else:
            numbers.append(item)
    return {"tensors": tensors, "numbers": numbers, "samples": samples}


def zero_weights() -> dict[str, Any]:
    """What each loss of boxes makes of weights that are all zero: its value and gradient."""
    from mmdet.models import losses

    found: dict[str, Any] = {}
    for name in ("IoULoss", "BoundedIoULoss", "GIoULoss", "DIoULoss", "CIoULoss"):
        for rows in (1, 4, 7):
            pred = (torch.rand(rows, 4) + torch.tensor([0.0, 0, 1, 1])).requires_grad_()
            try:
                value = getattr(losses, name)()(pred, pred.detach() + 0.1, torch.zeros(rows))
            except RuntimeError as problem:
                found[f"{name} of {rows}"] = str(problem)
                continue
            value.backward()
            found[f"{name} of {rows}"] = [float(value), float(pred.grad.abs().sum())]
    return found


def focal(dtype: torch.dtype, classes: int) -> list[torch.Tensor]:
    """A focal loss of predictions of a type, background among the labels, and its gradient."""
    from mmdet.models.losses import FocalLoss

    random = torch.Generator().manual_seed(classes)
    pred = torch.randn(50, classes, generator=random).to(dtype).requires_grad_()
    target = torch.randint(classes + 1, (50,), generator=random)
    value = FocalLoss(reduction="none")(pred, target, torch.rand(50, generator=random))
    value.sum().backward()
    return [value.detach(), pred.grad]


def flags() -> list[torch.Tensor]:
    """The valid flags of every generator that has them, in images of many sizes."""
    if modern():
        from mmdet.models.task_modules import prior_generators as made
    else:
        from mmdet.core import anchor as made
    found = []
    for height, width in ((7, 5), (3, 5), (7, 0), (0, 0), (1, 4)):
        one = made.AnchorGenerator([8], ratios=[0.5, 1.0], scales=[4])
        found.append(one.single_level_valid_flags((7, 5), (height, width), 2, device="cpu"))
        point = made.PointGenerator()
        found.append(point.valid_flags((7, 5), (height, width), device="cpu"))
        if modern():
            many = made.MlvlPointGenerator([8])
            found.append(many.single_level_valid_flags((7, 5), (height, width), device="cpu"))
    return found


def sources() -> dict[str, str]:
    """What other models share, and what ports by hand changed for all of them."""
    if modern():
        from mmdet.models.task_modules.samplers import PseudoSampler, SamplingResult
        from mmdet.models.utils.misc import unmap
    else:
        from mmdet.core import PseudoSampler, unmap
        from mmdet.core.bbox.samplers import SamplingResult
    from mmdet.models.backbones import Darknet, HRNet, ResNet
    from mmdet.models.dense_heads import AnchorHead, FSAFHead, RetinaHead

    shared = {
        "unmap": unmap,
        "PseudoSampler": PseudoSampler,
        "SamplingResult": SamplingResult,
        "RetinaHead": RetinaHead,
        "AnchorHead.get_targets": AnchorHead.get_targets,
        "FSAFHead._get_targets_single": FSAFHead._get_targets_single,
        **{f"{net.__name__}.train": net.train for net in (Darknet, HRNet, ResNet)},
    }
    return {name: inspect.getsource(each) for name, each in shared.items()}


def above_the_limit() -> str:
    """What is said of more ground truth than there is room for."""
    case = {"counts": (2, LIMIT + 1)}
    try:
        loss(make_head(case), inputs(case, 0))
    except ValueError as problem:
        return str(problem)
    return ""


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
        watch.forget()
        with watch:
            losses = loss(head, given)
            sum(losses["loss_cls"] + losses["loss_bbox"]).backward()
        steps.append({"new": watch.new, "dynamic": watch.dynamic, "syncs": watch.syncs})
    return steps


def chip() -> list[dict[str, Any]]:
    """Step by step, the simulated NPU's counters, its losses and those of the host."""
    from porter.rulebook.catalog import load_targets
    from porter.sim import counters, install

    install(load_targets()["npu"])
    head, steps = make_head({}), []
    for step in range(8):
        case = {"counts": (step, (7 * step) % LIMIT), "shapes": ((96 - 5 * step, 128), CANVAS)}
        given = inputs(case, step)
        expected = loss(head, {**given, "cls": list(given["cls"]), "box": list(given["box"])})
        there = {
            key: [each.to("npu") for each in given[key]] for key in ("cls", "box", "gt", "labels")
        }
        for leaf in (*there["cls"], *there["box"]):
            leaf.requires_grad_()
        counters(reset=True)
        losses = loss(head, {**given, **there, "cls": [*there["cls"]], "box": [*there["box"]]})
        sum(losses["loss_cls"] + losses["loss_bbox"]).backward()
        now = counters()
        steps.append(
            {
                "new": now.new_signatures,
                "dynamic": now.dynamic_shape_ops,
                "syncs": now.host_syncs,
                "losses": [
                    [sum(each["loss_cls"] + each["loss_bbox"]).item(), each["num_pos"].item()]
                    for each in (expected, losses)
                ],
            }
        )
    return steps


def main() -> None:
    asked, out = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    sys.modules["mmcv._ext"] = Stand("mmcv._ext")
    if asked != "equal":
        out.write_text(json.dumps({"shapes": shapes, "chip": chip}[asked]()))
        return
    answers = {
        f"{name}, seed {seed}": answer(case, seed)
        for name, case in CASES.items()
        for seed in range(SEEDS)
    }
    torch.save(
        {
            "answers": answers,
            "above the limit": above_the_limit(),
            "sampled": [sampled(seed) for seed in range(SEEDS)],
            "zero weights": zero_weights(),
            "focal": {
                f"{dtype}, {classes} classes": focal(dtype, classes)
                for dtype in (torch.float32, torch.float64, torch.bfloat16)
                for classes in (1, 80, 91)
            },
            "flags": flags(),
            "sources": sources(),
        },
        out,
    )


if __name__ == "__main__":
    main()
