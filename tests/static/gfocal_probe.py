"""GFocalV2's head beside the paper's formulas, its config, and the static canvas; run in a child.

    gfocal_probe.py derived OUT     what the head computes, and what loops over anchors do
    gfocal_probe.py parts OUT       shapes of parameters, predictions, canvases, refusals

The formulas are those of arXiv 2006.04388 and 2011.12885, one anchor and one side at a time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from gfl_probe import CLASSES, REG_MAX, built, inputs, loss, make_head, total
from probing import Stand, modern

TOP = 4


def quality_by_hand(head: Any, bbox_pred: torch.Tensor) -> torch.Tensor:
    """The predicted quality at each place of a level, (N, H, W)."""
    first, second = head.reg_conf[0], head.reg_conf[2]
    images, _, height, width = bbox_pred.shape
    rows = []
    for image in range(images):
        for place in range(height * width):
            logits = bbox_pred[image].reshape(4, REG_MAX + 1, -1)[:, :, place]
            statistics = []
            for side in range(4):
                odds = (logits[side] - logits[side].detach().max()).exp()
                best = (odds / odds.sum()).sort(descending=True)[0][:TOP]
                statistics += [*best, best.sum() / TOP]
            hidden = first.weight[:, :, 0, 0] @ torch.stack(statistics) + first.bias
            hidden = torch.where(hidden > 0, hidden, torch.zeros_like(hidden))
            logit = (second.weight[0, :, 0, 0] * hidden).sum() + second.bias[0]
            rows.append(1 / (1 + (-logit).exp()))
    return torch.stack(rows).reshape(images, height, width)


def giou_and_iou(one: Any, other: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Generalized IoU and IoU of two boxes with area."""
    size = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    wide = torch.min(one[2], other[2]) - torch.max(one[0], other[0])
    high = torch.min(one[3], other[3]) - torch.max(one[1], other[1])
    common = wide.clamp(min=0) * high.clamp(min=0)
    union = size[0] + size[1] - common
    hull = (torch.max(one[2], other[2]) - torch.min(one[0], other[0])) * (
        torch.max(one[3], other[3]) - torch.min(one[1], other[1])
    )
    return common / union - (hull - union) / hull, common / union


def losses_by_hand(levels: list[Any]) -> dict[str, torch.Tensor]:
    """The losses from each level's anchors, scores, box logits and targets."""
    cls, box, dfl, weights = [], [], [], []
    for anchors, scores, logits, labels, label_weights, targets, stride, samples in levels:
        images, _, height, width = scores.shape
        for image in range(images):
            for place in range(height * width):
                score = scores[image].reshape(CLASSES + 1, -1)[:, place]
                wanted = torch.zeros_like(score)
                label = int(labels[image][place])
                if 0 <= label < CLASSES:
                    sides = logits[image].reshape(4, REG_MAX + 1, -1)[:, :, place].softmax(1)
                    anchor, target = anchors[image][place], targets[image][place] / stride[0]
                    x, y = (anchor[:2] + anchor[2:]) / 2 / stride[0]
                    distances = [(side * torch.arange(REG_MAX + 1)).sum() for side in sides]
                    left, top, right, bottom = distances
                    found = torch.stack([x - left, y - top, x + right, y + bottom])
                    giou, iou = giou_and_iou(found, target)
                    weight = score.detach().max()
                    weights.append(weight)
                    box.append(weight * (1 - giou))
                    wanted[label] = iou.detach()
                    truth = [x - target[0], y - target[1], target[2] - x, target[3] - y]
                    for side, distance in zip(sides, truth):
                        at = float(distance.clamp(0, REG_MAX - 0.1))
                        low = int(at)
                        mixed = (low + 1 - at) * side[low].log() + (at - low) * side[low + 1].log()
                        dfl.append(-weight * mixed / 4)
                entropy = -(wanted * score.log() + (1 - wanted) * (1 - score).log())
                focal = ((wanted - score).abs() ** 2 * entropy).sum()
                cls.append(label_weights[image][place] * focal / samples)
    divisor = torch.stack(weights).sum()
    if modern():
        divisor = divisor.clamp(min=1)
    return {
        "loss_cls": torch.stack(cls).sum(),
        "loss_bbox": 2 * torch.stack(box).sum() / divisor,
        "loss_dfl": 0.25 * torch.stack(dfl).sum() / divisor,
    }


def derived(seed: int) -> dict[str, Any]:
    """Scores, losses and gradients of the head, and by hand."""
    head, given = make_head({}, "GFocalHead"), inputs({"counts": (2, 3)}, seed)
    for leaf in given["features"]:
        leaf.requires_grad_()
    noted: list[Any] = []
    single = "loss_by_feat_single" if modern() else "loss_single"
    level_loss, forward = getattr(head, single), head.forward_single

    def note(*args: Any, **kwargs: Any) -> Any:
        noted.append((*args, *kwargs.values()))
        return level_loss(*args, **kwargs)

    setattr(head, single, note)
    losses = loss(head, given)
    leaves = [*given["features"], *(p for _, p in sorted(head.named_parameters()))]
    gradients = torch.autograd.grad(total(losses), leaves)

    from mmdet.models.dense_heads import GFLHead

    by_hand, levels = [], []
    for feature, scale, (anchors, _, _, *rest) in zip(given["features"], head.scales, noted):
        cls_logits, box_logits = GFLHead.forward_single(head, 3 * feature, scale)
        scores = cls_logits.sigmoid() * quality_by_hand(head, box_logits)[:, None]
        by_hand.append(scores)
        levels.append((anchors, scores, box_logits, *rest))
    expected = losses_by_hand(levels)
    scores = [forward(3 * x, scale)[0] for x, scale in zip(given["features"], head.scales)]
    return {
        "scores": ([each.detach() for each in scores], [each.detach() for each in by_hand]),
        "losses": (
            [torch.stack(losses[name]).sum().detach() for name in expected],
            [value.detach() for value in expected.values()],
        ),
        "gradients": (gradients, torch.autograd.grad(sum(expected.values()), leaves)),
    }


def shapes_of_config(folder: Path) -> dict[str, Any]:
    """Parameters of the head that the added config asks for."""
    root = folder / "mmdet/.mim/configs" if modern() else folder / "configs"
    path = root / "gfocal/gfocal_r50_fpn_1x_coco.py"
    if modern():
        from mmengine.config import Config
    else:
        from mmcv import Config
    model = Config.fromfile(str(path)).model
    head = built("head", {**model.bbox_head, "train_cfg": model.train_cfg})
    kinds = (model.type, model.backbone.type, model.neck.type)
    return {
        "detector": kinds,
        "parameters": {name: tuple(value.shape) for name, value in head.state_dict().items()},
    }


def predictions() -> dict[str, Any]:
    """Boxes that the head predicts, and those of GFLHead given the same scores as logits."""
    found = {}
    head, plain = make_head({}, "GFocalHead"), make_head({}, "GFLHead")
    given = inputs({"counts": (1, 1)}, 0)
    outs = head([3 * level for level in given["features"]])
    logits = [torch.logit(level[:, :CLASSES]) for level in outs[0]]
    for name, each, scores in (("GFocalHead", head, outs[0]), ("GFLHead", plain, logits)):
        settings = {"nms_pre": 20, "score_thr": 0.0, "min_bbox_size": -1, "max_per_img": 100}
        if modern():
            from mmengine.config import ConfigDict

            metas = [{**meta, "scale_factor": (2.0, 2.0)} for meta in given["metas"]]
            results = each.predict_by_feat(
                scores,
                outs[1],
                batch_img_metas=metas,
                cfg=ConfigDict(settings),
                rescale=True,
                with_nms=False,
            )
            found[name] = [(r.bboxes.detach(), r.scores.detach(), r.labels) for r in results]
        else:
            from mmcv import ConfigDict

            metas = [{**meta, "scale_factor": [2.0] * 4} for meta in given["metas"]]
            results = each.get_bboxes(
                scores, outs[1], metas, cfg=ConfigDict(settings), rescale=True, with_nms=False
            )
            found[name] = [(boxes.detach(), scores.detach()) for boxes, scores in results]
    return found


def canvases() -> dict[str, Any]:
    """Images and batches on the static canvas, and what is said of one that does not fit."""
    refused = ""
    if modern():
        from mmdet.structures import DetDataSample

        canvas = built("model", {"type": "StaticCanvas", "size": (8, 12)})
        sample = DetDataSample(metainfo={"pad_shape": (4, 6), "batch_input_shape": (4, 6)})
        padded, [sample] = canvas(torch.ones(1, 3, 4, 6), [sample])
        try:
            canvas(torch.ones(1, 3, 4, 13), None)
        except ValueError as problem:
            refused = str(problem)
        return {
            "shape": tuple(padded.shape[-2:]),
            "sum": float(padded[0, 0].sum()),
            "pad_shape": sample.pad_shape[:2],
            "refused": refused,
        }
    import numpy
    from mmcv.utils import build_from_cfg
    from mmdet.datasets import PIPELINES

    canvas = build_from_cfg({"type": "StaticCanvas", "size": (8, 12)}, PIPELINES)
    image = numpy.ones((4, 6, 3), dtype=numpy.float32)
    results = canvas({"img": image, "pad_shape": (4, 6, 3), "img_fields": ["img"]})
    try:
        canvas({"img": numpy.ones((9, 6, 3), dtype=numpy.float32)})
    except ValueError as problem:
        refused = str(problem)
    return {
        "shape": results["img"].shape[:2],
        "sum": float(results["img"][:4, :6, 0].sum()),
        "pad_shape": results["pad_shape"][:2],
        "refused": refused,
    }


def refusal() -> str:
    """What is said of a loss that is no quality focal loss."""
    head = {"loss_cls": {"type": "FocalLoss", "use_sigmoid": True}}
    try:
        make_head({"head": head}, "GFocalHead")
    except ValueError as problem:
        return str(problem)
    return ""


def main() -> None:
    asked, out = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    sys.modules["mmcv._ext"] = Stand("mmcv._ext")
    if asked == "derived":
        torch.save([derived(seed) for seed in range(2)], out)
        return
    import mmdet

    folder = Path(mmdet.__file__).parent.parent
    found = {
        "config": shapes_of_config(folder),
        "predictions": predictions(),
        "canvas": canvases(),
        "refused": refusal(),
    }
    torch.save(found, out)


if __name__ == "__main__":
    main()
