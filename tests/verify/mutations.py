"""Small wrong edits, as a porting engineer might make them by slip, and the run that should see each.

No more of upstream's code is quoted than must be matched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MMDET = "mmdet/mmdet/models"
_REPPOINTS = f"{_MMDET}/dense_heads/reppoints_head.py"
_CENTERNET = f"{_MMDET}/dense_heads/centernet_head.py"
_DENSE = f"{_MMDET}/dense_heads/base_dense_head.py"
_ASSIGNER = f"{_MMDET}/task_modules/assigners/point_assigner.py"
_CODER = f"{_MMDET}/task_modules/coders/delta_xywh_bbox_coder.py"
_LOSSES = f"{_MMDET}/losses"
_OPS = "mmcv/mmcv/ops"
_OPTIM = "mmengine/mmengine/optim/optimizer"
_CLEAN = "mmengine/mmengine/model/base_model/data_preprocessor.py"


@dataclass(frozen=True)
class Mutation:
    """One wrong edit.

    Attributes:
        name: For the table.
        file: In the vendor folder.
        before: Text of the file; ``after`` takes the place where it occurs first.
        times: How often it occurs.
        model: Which model should show it.
        run: What else the verification is asked for, as fields of ``Request``.
        escapes: Why no check can see it, where that is known and accepted.
    """

    name: str
    file: str
    before: str
    after: str
    model: str = "reppoints"
    run: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1
    escapes: str = ""

    @property
    def asked(self) -> str:
        """The run, as it would be asked for on the command line."""
        words = [
            f"--{key}" if value is True else f"--{key} {value}" for key, value in self.run.items()
        ]
        return " ".join((self.model, *words))

    def edit(self, text: str) -> str:
        """The file's text with the mutation; fails where upstream's text is another."""
        assert text.count(self.before) == self.times, f"{self.name}: {self.file} has changed"
        return text.replace(self.before, self.after, 1)


_AMP = {"amp": True}
_TWO = {"nproc": 2}
_R, _C, _F = "reppoints", "centernet", "faster_rcnn"

MUTATIONS = (
    # signs
    Mutation(
        "offset: minus becomes plus", _REPPOINTS, "mul - dcn_base_offset", "mul + dcn_base_offset"
    ),
    Mutation(
        "box decoder: centre moved the other way",
        _CODER,
        "gxy = pxy + dxy_wh\n    gwh = pwh * dwh.exp()",
        "gxy = pxy - dxy_wh\n    gwh = pwh * dwh.exp()",
        _F,
        times=2,
    ),
    # swapped arguments and axes
    Mutation(
        "points: x and y swapped",
        _REPPOINTS,
        "[x_pts_shift, y_pts_shift], -1",
        "[y_pts_shift, x_pts_shift], -1",
    ),
    Mutation(
        "refined boxes: y first",
        _REPPOINTS,
        "pts_pred_refine.reshape(-1, 2 * self.num_points), y_first=False",
        "pts_pred_refine.reshape(-1, 2 * self.num_points), y_first=True",
    ),
    Mutation(
        "DCNv2: mask taken from the offsets",
        f"{_OPS}/modulated_deform_conv.py",
        "o1, o2, mask = torch",
        "mask, o1, o2 = torch",
        _C,
        times=2,
    ),
    Mutation(
        "DCNv2: halves of the offset swapped",
        f"{_OPS}/modulated_deform_conv.py",
        "cat((o1, o2)",
        "cat((o2, o1)",
        _C,
        times=2,
    ),
    Mutation(
        "target width and height swapped",
        _CENTERNET,
        "0, cty_int, ctx_int] = scale_box_w\n                wh_target[batch_id, 1, cty_int, ctx_int] = scale_box_h",
        "0, cty_int, ctx_int] = scale_box_h\n                wh_target[batch_id, 1, cty_int, ctx_int] = scale_box_w",
        _C,
    ),
    Mutation(
        "target offset: x and y swapped",
        _CENTERNET,
        "0, cty_int, ctx_int] = ctx - ctx_int\n                offset_target[batch_id, 1, cty_int, ctx_int] = cty - cty_int",
        "0, cty_int, ctx_int] = cty - cty_int\n                offset_target[batch_id, 1, cty_int, ctx_int] = ctx - ctx_int",
        _C,
    ),
    Mutation(
        "box deltas: dx and dy swapped",
        _CODER,
        "dh = torch.log(gh / ph)\n    deltas = torch.stack([dx, dy,",
        "dh = torch.log(gh / ph)\n    deltas = torch.stack([dy, dx,",
        _F,
    ),
    Mutation(
        "focal loss: alpha for its complement",
        f"{_LOSSES}/focal_loss.py",
        "pred_sigmoid * (1 - target)\n    # Thus it's pt.pow(gamma) rather than (1 - pt).pow(gamma)\n    focal_weight = (alpha * target + (1 - alpha) *",
        "pred_sigmoid * (1 - target)\n    # Thus it's pt.pow(gamma) rather than (1 - pt).pow(gamma)\n    focal_weight = ((1 - alpha) * target + alpha *",
    ),
    Mutation(
        "image: channels not reversed",
        _CLEAN,
        "_batch_input = _batch_input[[2, 1, 0], ...]",
        "pass",
    ),
    Mutation(
        "image: mean and deviation swapped",
        _CLEAN,
        "_batch_input = (_batch_input - self.mean) / self.std",
        "_batch_input = (_batch_input - self.std) / self.mean",
    ),
    # indices
    Mutation(
        "assigner: object before the right one",
        _ASSIGNER,
        "[min_dist_points_index] = idx + 1",
        "[min_dist_points_index] = max(idx, 1)",
    ),
    Mutation("assigner: level rounded, not cut", _ASSIGNER, "/ 2).int()", "/ 2).round().int()"),
    Mutation(
        "assigner: distance not remembered",
        _ASSIGNER,
        "assigned_gt_dist[min_dist_points_index] = min_dist[\n                less_than_recorded_index]",
        "pass",
    ),
    Mutation(
        "heat map: radius one larger",
        _CENTERNET,
        "radius = max(0, int(radius))",
        "radius = max(0, int(radius) + 1)",
        _C,
    ),
    Mutation(
        "RoI level one too high",
        f"{_MMDET}/roi_heads/roi_extractors/single_level_roi_extractor.py",
        "self.finest_scale + 1e-6))\n",
        "self.finest_scale + 1e-6)) + 1\n",
        _F,
    ),
    # gradients
    Mutation(
        "offsets: gradient detached",
        _REPPOINTS,
        "+ self.gradient_mul * pts_out_init\n",
        "+ self.gradient_mul * pts_out_init.detach()\n",
    ),
    Mutation(
        "refinement: detach forgotten",
        _REPPOINTS,
        "pts_out_refine + pts_out_init.detach()",
        "pts_out_refine + pts_out_init",
    ),
    Mutation(
        "deform_conv: offset without gradient",
        f"{_OPS}/deform_conv.py",
        "return grad_input, grad_offset, grad_weight, \\\n            None, None, None, None, None, None, None\n\n    @staticmethod\n    def _output",
        "return grad_input, grad_offset * 0, grad_weight, \\\n            None, None, None, None, None, None, None\n\n    @staticmethod\n    def _output",
    ),
    Mutation(
        "host copies: only the first written back",
        f"{_OPS}/host_fallback.py",
        "for tensor in writes:",
        "for tensor in list(writes)[:1]:",
    ),
    Mutation(
        "DCNv2: gradient of the mask not written back",
        f"{_OPS}/modulated_deform_conv.py",
        "grad_offset, grad_mask])(",
        "grad_offset])(",
        _C,
    ),
    Mutation(
        "RoIAlign: backward not aligned",
        f"{_OPS}/roi_align.py",
        "grad_input,\n            aligned_height=ctx.output_size[0],\n            aligned_width=ctx.output_size[1],\n            spatial_scale=ctx.spatial_scale,\n            sampling_ratio=ctx.sampling_ratio,\n            pool_mode=ctx.pool_mode,\n            aligned=ctx.aligned)",
        "grad_input,\n            aligned_height=ctx.output_size[0],\n            aligned_width=ctx.output_size[1],\n            spatial_scale=ctx.spatial_scale,\n            sampling_ratio=ctx.sampling_ratio,\n            pool_mode=ctx.pool_mode,\n            aligned=False)",
        _F,
    ),
    Mutation(
        "FPN: top-down path through .data",
        f"{_MMDET}/necks/fpn.py",
        "laterals[i], size=prev_shape",
        "laterals[i].data, size=prev_shape",
    ),
    # weights, reductions
    Mutation(
        "first loss of points halved",
        _REPPOINTS,
        "loss_pts_init = self.loss_bbox_init(",
        "loss_pts_init = 0.5 * self.loss_bbox_init(",
    ),
    Mutation(
        "loss: mean over elements, not objects",
        f"{_LOSSES}/utils.py",
        "loss = loss.sum() / (avg_factor + eps)",
        "loss = loss.mean()",
        _F,
    ),
    Mutation(
        "smooth L1: factor a half lost",
        f"{_LOSSES}/smooth_l1_loss.py",
        "0.5 * diff * diff / beta",
        "diff * diff / beta",
    ),
    Mutation(
        "DCNv2: mask doubled before a norm",
        f"{_OPS}/modulated_deform_conv.py",
        "mask = torch.sigmoid(mask)",
        "mask = 2 * torch.sigmoid(mask)",
        _C,
        times=2,
    ),
    # normalization, optimizer
    Mutation(
        "norm: eps a hundred times larger",
        "mmcv/mmcv/cnn/bricks/norm.py",
        "cfg_.setdefault('eps', 1e-5)",
        "cfg_.setdefault('eps', 1e-3)",
    ),
    Mutation(
        "norm: momentum of running figures",
        "mmcv/mmcv/cnn/bricks/norm.py",
        "cfg_.setdefault('eps', 1e-5)",
        "cfg_.setdefault('eps', 1e-5)\n    cfg_.setdefault('momentum', 0.05)",
    ),
    Mutation(
        "weight decay dropped",
        f"{_OPTIM}/default_constructor.py",
        "optimizer_cfg = self.optimizer_cfg.copy()",
        "optimizer_cfg = self.optimizer_cfg.copy()\n        optimizer_cfg['weight_decay'] = 0",
    ),
    Mutation(
        "momentum dropped",
        f"{_OPTIM}/default_constructor.py",
        "optimizer_cfg = self.optimizer_cfg.copy()",
        "optimizer_cfg = self.optimizer_cfg.copy()\n        optimizer_cfg['momentum'] = 0",
        _F,
    ),
    Mutation(
        "gradient clipping off",
        f"{_OPTIM}/optimizer_wrapper.py",
        "if self.clip_grad_kwargs:\n            self._clip_grad()",
        "pass",
        _C,
    ),
    # prediction
    Mutation(
        "NMS: threshold a fifth lower",
        f"{_OPS}/nms.py",
        "bboxes, scores, iou_threshold=float(iou_threshold), offset=offset)\n\n        if max_num",
        "bboxes, scores, iou_threshold=0.8 * float(iou_threshold), offset=offset)\n\n        if max_num",
    ),
    Mutation(
        "prediction: x cut at the height",
        _REPPOINTS,
        "x2 = bboxes[:, 2].clamp(min=0, max=max_shape[1])",
        "x2 = bboxes[:, 2].clamp(min=0, max=max_shape[0])",
    ),
    Mutation(
        "prediction: labels one too high",
        f"{_MMDET}/utils/misc.py",
        "topk_idxs.unbind(dim=1)\n\n    filtered_results = None",
        "topk_idxs.unbind(dim=1)\n    labels = labels + 1\n\n    filtered_results = None",
    ),
    Mutation(
        "prediction: offset of x added to y",
        _CENTERNET,
        "topk_ys = topk_ys + offset[..., 1]",
        "topk_ys = topk_ys + offset[..., 0]",
        _C,
    ),
    # mixed precision
    Mutation(
        "AMP: clipped before it is unscaled",
        f"{_OPTIM}/amp_optimizer_wrapper.py",
        "self.loss_scaler.unscale_(self.optimizer)",
        "pass",
        _C,
        _AMP,
    ),
    Mutation(
        "AMP: loss not scaled",
        f"{_OPTIM}/amp_optimizer_wrapper.py",
        "self.loss_scaler.scale(loss).backward",
        "loss.backward",
        _R,
        _AMP,
    ),
    Mutation(
        "half precision without AMP",
        f"{_OPS}/deform_conv.py",
        "input = input.type_as(offset)",
        "input = input.half().type_as(offset)",
    ),
    Mutation(
        "AMP: off in the head",
        _REPPOINTS,
        "return multi_apply(self.forward_single, feats)",
        "with torch.autocast('sdaa', enabled=False):\n            return multi_apply(self.forward_single, [f.float() for f in feats])",
        _R,
        _AMP,
    ),
    # distributed
    Mutation(
        "DDP: forward past the wrapper",
        "mmengine/mmengine/model/wrappers/distributed.py",
        "data = self.module.data_preprocessor(data, training=True)\n            losses = self._run_forward(data, mode='loss')",
        "data = self.module.data_preprocessor(data, training=True)\n            losses = self.module._run_forward(data, mode='loss')",
        _C,
        _TWO,
    ),
    # seeds
    Mutation("initial weights drawn by another rule", _REPPOINTS, "std=0.01", "std=0.02", times=2),
    Mutation(
        "roi_align: copy of the input forgotten",
        f"{_OPS}/roi_align.py",
        "input = input.clone()",
        "pass",
        _F,
    ),
    Mutation(
        "large images: index in half precision",
        _ASSIGNER,
        "torch.arange(points.shape[0], device=points.device)",
        "torch.arange(points.shape[0], device=points.device).half().long()",
        escapes="exact below 2048 points; an image of 512 pixels has more",
    ),
)
