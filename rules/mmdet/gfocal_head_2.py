"""GFocalV2's head. Li et al., arXiv 2011.12885. Written for porter, for mmdet 2."""
import torch
import torch.nn as nn
from mmcv.cnn import normal_init

from mmdet.core import (bbox2distance, bbox_overlaps, distance2bbox,
                        multiclass_nms)
from ..builder import HEADS
from .gfl_head import GFLHead
from .gfocal_quality import (ProbabilityFocalLoss, distribution_statistics,
                             quality_predictor)

# Stands for the number of positives where there are none: 0 / NONE is 0, not NaN.
NONE = 1e-20


@HEADS.register_module()
class GFocalHead(GFLHead):
    """GFLHead whose scores are multiplied by a quality read off the box distributions.

    `forward` gives probabilities, not logits. No shape in `loss_single` depends on how
    many positives there are.

    Args:
        reg_topk (int): Probabilities taken of each side's distribution.
        reg_channels (int): Channels between the predictor's two convolutions.
        add_mean (bool): Whether their mean is an input too.
        loss_cls (dict): Config of `QualityFocalLoss`. With `use_sigmoid=False`, as in
            GFocalV2's own configs and checkpoints, there is one class more, which is
            trained to 0 and never predicted.
        args, kwargs: Those of `GFLHead`.
    """

    def __init__(self,
                 *args,
                 reg_topk=4,
                 reg_channels=64,
                 add_mean=True,
                 loss_cls=dict(
                     type='QualityFocalLoss',
                     use_sigmoid=False,
                     beta=2.0,
                     loss_weight=1.0),
                 **kwargs):
        self.reg_topk = reg_topk
        self.reg_channels = reg_channels
        self.add_mean = add_mean
        self.has_extra_class = not loss_cls.get('use_sigmoid', False)
        super().__init__(*args, loss_cls=dict(type='QualityFocalLoss'), **kwargs)
        self.loss_cls = ProbabilityFocalLoss.of(loss_cls)

    def _init_layers(self):
        """GFLHead's layers, and the quality predictor."""
        self.cls_out_channels = self.num_classes + int(self.has_extra_class)
        super()._init_layers()
        self.reg_conf = quality_predictor(
            self.reg_topk, self.add_mean, self.reg_channels)

    def init_weights(self):
        """Initialize weights of the head."""
        super().init_weights()
        for layer in self.reg_conf:
            if isinstance(layer, nn.Conv2d):
                normal_init(layer, std=0.01)

    def forward_single(self, x, scale):
        """Probabilities and box logits of one level.

        Returns:
            tuple: (N, cls_out_channels, H, W), in [0, 1], and
                (N, 4 * (reg_max + 1), H, W).
        """
        logits, bbox_pred = super().forward_single(x, scale)
        statistics = distribution_statistics(bbox_pred, self.reg_max,
                                             self.reg_topk, self.add_mean)
        quality = self.reg_conf(statistics.type_as(logits))
        return logits.float().sigmoid() * quality.float().sigmoid(), bbox_pred

    def loss_single(self, anchors, cls_score, bbox_pred, labels, label_weights,
                    bbox_targets, stride, num_total_samples):
        """The losses of one level, computed for all anchors, zero but for positives.

        Returns:
            tuple: loss_cls, loss_bbox, loss_dfl, and the sum of the positives' weights.
        """
        assert stride[0] == stride[1], 'h stride is not equal to w stride!'
        cls_score = cls_score.permute(0, 2, 3,
                                      1).reshape(-1, self.cls_out_channels)
        bbox_pred = bbox_pred.permute(0, 2, 3,
                                      1).reshape(-1, 4 * (self.reg_max + 1))
        labels = labels.reshape(-1)
        label_weights = label_weights.reshape(-1)
        targets = bbox_targets.reshape(-1, 4) / stride[0]
        centers = self.anchor_center(anchors.reshape(-1, 4)) / stride[0]
        boxes = distance2bbox(centers, self.integral(bbox_pred))

        positive = ((labels >= 0) & (labels < self.num_classes)).float()
        weights = cls_score.detach().max(dim=1)[0] * positive
        quality = positive * bbox_overlaps(
            boxes.detach(), targets, is_aligned=True)
        each_bbox = self.loss_bbox(boxes, targets, reduction_override='none')
        loss_dfl = self.loss_dfl(
            bbox_pred.reshape(-1, self.reg_max + 1),
            bbox2distance(centers, targets, self.reg_max).reshape(-1),
            weight=weights[:, None].expand(-1, 4).reshape(-1),
            avg_factor=4.0)
        loss_cls = self.loss_cls(
            cls_score, (labels, quality),
            weight=label_weights,
            avg_factor=num_total_samples)
        return (loss_cls, (each_bbox * weights).sum(), loss_dfl,
                weights.sum().clamp(min=NONE))

    def _get_bboxes(self,
                    cls_scores,
                    bbox_preds,
                    mlvl_anchors,
                    img_shapes,
                    scale_factors,
                    cfg,
                    rescale=False,
                    with_nms=True):
        """Boxes of a batch, which mmdet 2.11 asks for at once."""
        return [
            self._get_bboxes_single([level[i] for level in cls_scores],
                                    [level[i] for level in bbox_preds],
                                    mlvl_anchors, img_shapes[i],
                                    scale_factors[i], cfg, rescale, with_nms)
            for i in range(len(img_shapes))
        ]

    def _get_bboxes_single(self,
                           cls_scores,
                           bbox_preds,
                           mlvl_anchors,
                           img_shape,
                           scale_factor,
                           cfg,
                           rescale=False,
                           with_nms=True):
        """Boxes of an image.

        Returns:
            tuple[Tensor]: Boxes with scores, (n, 5), and labels, (n,); all boxes and
                scores where `with_nms` is off.
        """
        cfg = self.test_cfg if cfg is None else cfg
        levels = [
            self._best_of_level(*level, img_shape, cfg) for level in zip(
                cls_scores, bbox_preds, mlvl_anchors,
                self.anchor_generator.strides)
        ]
        boxes = torch.cat([boxes for boxes, _ in levels])
        scores = torch.cat([scores for _, scores in levels])
        if rescale:
            boxes = boxes / boxes.new_tensor(scale_factor)
        # multiclass_nms takes the last column for the background's.
        scores = torch.cat([scores, scores.new_zeros(len(scores), 1)], dim=1)
        if not with_nms:
            return boxes, scores
        return multiclass_nms(boxes, scores, cfg.score_thr, cfg.nms,
                              cfg.max_per_img)

    def _best_of_level(self, cls_score, bbox_pred, anchors, stride, img_shape,
                       cfg):
        """Boxes and scores of one level of one image, the best `nms_pre` of them."""
        scores = cls_score.permute(1, 2, 0).reshape(-1, self.cls_out_channels)
        scores = scores[:, :self.num_classes]
        distances = self.integral(bbox_pred.permute(1, 2, 0)) * stride[0]
        nms_pre = cfg.get('nms_pre', -1)
        if 0 < nms_pre < len(scores):
            best = scores.max(dim=1)[0].topk(nms_pre)[1]
            scores, distances, anchors = (scores[best], distances[best],
                                          anchors[best])
        boxes = distance2bbox(
            self.anchor_center(anchors), distances, max_shape=img_shape)
        return boxes, scores
