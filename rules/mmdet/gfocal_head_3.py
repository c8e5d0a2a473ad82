"""GFocalV2's head. Li et al., arXiv 2011.12885. Written for porter, for mmdet 3."""
import torch
from mmengine.structures import InstanceData

from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps
from ..utils import filter_scores_and_topk
from .gfl_head import GFLHead
from .gfocal_quality import (ProbabilityFocalLoss, distribution_statistics,
                             quality_predictor)


@MODELS.register_module()
class GFocalHead(GFLHead):
    """GFLHead whose scores are multiplied by a quality read off the box distributions.

    `forward` gives probabilities, not logits. No shape in `loss_by_feat_single` depends
    on how many positives there are.

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

    def loss_by_feat_single(self, anchors, cls_score, bbox_pred, labels,
                            label_weights, bbox_targets, stride, avg_factor):
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
        boxes = self.bbox_coder.decode(centers, self.integral(bbox_pred))

        positive = ((labels >= 0) & (labels < self.num_classes)).float()
        weights = cls_score.detach().max(dim=1)[0] * positive
        quality = positive * bbox_overlaps(
            boxes.detach(), targets, is_aligned=True)
        each_bbox = self.loss_bbox(boxes, targets, reduction_override='none')
        corners = self.bbox_coder.encode(centers, targets, self.reg_max)
        loss_dfl = self.loss_dfl(
            bbox_pred.reshape(-1, self.reg_max + 1),
            corners.reshape(-1),
            weight=weights[:, None].expand(-1, 4).reshape(-1),
            avg_factor=4.0)
        loss_cls = self.loss_cls(
            cls_score, (labels, quality),
            weight=label_weights,
            avg_factor=avg_factor)
        return loss_cls, (each_bbox * weights).sum(), loss_dfl, weights.sum()

    def _predict_by_feat_single(self,
                                cls_score_list,
                                bbox_pred_list,
                                score_factor_list,
                                mlvl_priors,
                                img_meta,
                                cfg,
                                rescale=False,
                                with_nms=True):
        """Boxes of an image, an InstanceData of `bboxes`, `scores` and `labels`."""
        cfg = self.test_cfg if cfg is None else cfg
        levels = [
            self._best_of_level(*level, img_meta['img_shape'], cfg)
            for level in zip(cls_score_list, bbox_pred_list, mlvl_priors,
                             self.prior_generator.strides)
        ]
        boxes, scores, labels = map(torch.cat, zip(*levels))
        results = InstanceData(bboxes=boxes, scores=scores, labels=labels)
        return self._bbox_post_process(
            results=results,
            cfg=cfg,
            rescale=rescale,
            with_nms=with_nms,
            img_meta=img_meta)

    def _best_of_level(self, cls_score, bbox_pred, priors, stride, img_shape,
                       cfg):
        """Boxes, scores and labels of one level of one image, the best `nms_pre`."""
        scores = cls_score.permute(1, 2, 0).reshape(-1, self.cls_out_channels)
        distances = self.integral(bbox_pred.permute(1, 2, 0)) * stride[0]
        scores, labels, _, kept = filter_scores_and_topk(
            scores[:, :self.num_classes], cfg.score_thr,
            cfg.get('nms_pre', -1), dict(distances=distances, priors=priors))
        boxes = self.bbox_coder.decode(
            self.anchor_center(kept['priors']),
            kept['distances'],
            max_shape=img_shape)
        return boxes, scores, labels
