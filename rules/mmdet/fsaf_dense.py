"""The targets and the loss of FSAF in shapes that depend on no value.

What ``FSAFHead`` picks by lists of indices is computed for all anchors here,
under masks; labels, weights and losses are the same.
"""
from functools import partial

import torch

from mmdet.utils.static_shapes import (ground_truth_limit, pad_boxes,
                                       pad_ground_truth)
from .anchor_head import anchor_inside_flags, images_to_levels, multi_apply


def has_dense_loss(head, base):
    """Whether ``dense_loss`` stands for a head's loss.

    It does for the assigner of FSAF, where no anchors are sampled, and if no
    subclass has targets of its own.

    Args:
        head (FSAFHead): The head.
        base (type): ``FSAFHead``.

    Returns:
        bool: Whether it does.
    """
    return (
        hasattr(head.assigner, 'assign_dense') and head.use_sigmoid_cls
        and type(head.sampler).__name__ == 'PseudoSampler'
        and not getattr(head, 'sampling', False)
        and type(head)._get_targets_single is base._get_targets_single
        and type(head).get_targets is base.get_targets)


def dense_targets_single(head, flat_anchors, valid_flags, gt_bboxes, gt_labels,
                         ignored, img_meta, outside_label):
    """Compute what ``_get_targets_single`` computes, for all anchors.

    Args:
        head (FSAFHead): The head.
        flat_anchors (Tensor): Anchors of all levels, shape (n, 4).
        valid_flags (Tensor): Which of them are valid, shape (n, ).
        gt_bboxes (Tensor): Ground truth boxes, shape (k, 4).
        gt_labels (Tensor): Their labels, shape (k, ).
        ignored (Tensor | None): Boxes to be ignored, shape (m, 4).
        img_meta (dict): Meta information of the image.
        outside_label (int): The label of anchors outside the image.

    Returns:
        tuple: Labels, their weights of shape (n, num_classes), box targets,
            their weights, the 0-based ground truth of each anchor or -1, and
            how many anchors are positive and negative, at least 1 each.
            All are None if no anchor lies inside the image.
    """
    border = head.train_cfg['allowed_border']
    inside = anchor_inside_flags(flat_anchors, valid_flags,
                                 img_meta['img_shape'][:2], border)
    if border >= 0 and not inside.any():
        return (None, ) * 7
    limit = ground_truth_limit(head.train_cfg)
    gt_bboxes, gt_labels, gt_valid = pad_ground_truth(gt_bboxes, gt_labels,
                                                      limit)
    if ignored is not None:
        ignored = pad_boxes(ignored, limit)[0]
    gt_inds, shadowed = head.assigner.assign_dense(flat_anchors, gt_bboxes,
                                                   gt_labels, gt_valid,
                                                   ignored, head.num_classes)
    pos = inside & (gt_inds > 0)
    neg = inside & (gt_inds == 0)

    # Anchors without a ground truth read the first one; masks put it right.
    gt_inds = (gt_inds - 1).clamp(min=0)
    bbox_targets = gt_bboxes.index_select(0, gt_inds)
    if not head.reg_decoded_bbox:
        bbox_targets = head.bbox_coder.encode(flat_anchors, bbox_targets)
    bbox_targets = bbox_targets.masked_fill(~pos.unsqueeze(1), 0)
    bbox_weights = pos.unsqueeze(1).to(flat_anchors.dtype).repeat(1, 4)
    labels = gt_labels.index_select(0, gt_inds).long()
    labels = labels.masked_fill(~pos, head.num_classes)
    labels = labels.masked_fill(~inside, outside_label)

    pos_weight = head.train_cfg['pos_weight']
    weights = neg.float()
    weights = weights + pos.float() * (pos_weight if pos_weight > 0 else 1.0)
    label_weights = weights.unsqueeze(1).masked_fill(shadowed, 0)
    return (labels, label_weights, bbox_targets, bbox_weights,
            gt_inds.masked_fill(~pos, -1), pos.float().sum().clamp(min=1),
            neg.float().sum().clamp(min=1))


def dense_loss(head, level_loss, cls_scores, bbox_preds, img_metas, gt_bboxes,
               gt_labels, ignored, outside_label):
    """Compute a head's loss.

    Args:
        head (FSAFHead): The head.
        level_loss (callable): Computes the losses of one level.
        cls_scores (list[Tensor]): Scores of each level, each of shape
            (N, num_classes, H, W).
        bbox_preds (list[Tensor]): Boxes of each level, each of shape
            (N, 4, H, W).
        img_metas (list[dict]): Meta information of each image.
        gt_bboxes (list[Tensor]): Ground truth boxes of each image.
        gt_labels (list[Tensor]): Their labels.
        ignored (list[Tensor | None] | None): Boxes to be ignored.
        outside_label (int): The label of anchors outside the image.

    Returns:
        dict[str, Tensor] | None: Losses, number of positives and recall; None
            if no anchor of an image lies inside it.
    """
    # no box without an area
    bbox_preds = [bbox_pred.clamp(min=1e-4) for bbox_pred in bbox_preds]
    batch_size = len(img_metas)
    anchor_list, valid_flag_list = head.get_anchors(
        [cls_score.size()[-2:] for cls_score in cls_scores],
        img_metas,
        device=cls_scores[0].device)
    num_level_anchors = [anchors.size(0) for anchors in anchor_list[0]]
    anchors = [torch.cat(levels) for levels in anchor_list]
    (labels, label_weights, bbox_targets, bbox_weights, gt_inds, num_pos,
     num_neg) = multi_apply(
         partial(dense_targets_single, head),
         anchors, [torch.cat(levels) for levels in valid_flag_list],
         gt_bboxes,
         gt_labels, [None] * batch_size if ignored is None else ignored,
         img_metas,
         outside_label=outside_label)
    if any(label is None for label in labels):
        return None
    labels, label_weights, bbox_targets, bbox_weights, anchors = [
        images_to_levels(targets, num_level_anchors)
        for targets in (labels, label_weights, bbox_targets, bbox_weights,
                        anchors)
    ]
    losses_cls, losses_bbox = multi_apply(level_loss, cls_scores, bbox_preds,
                                          anchors, labels, label_weights,
                                          bbox_targets, bbox_weights,
                                          [sum(num_pos)] * len(cls_scores))

    # Every image has the same number of places for its ground truths.
    limit = ground_truth_limit(head.train_cfg)
    gt_inds = [
        torch.where(inds >= 0, inds + image * limit, inds)
        for image, inds in enumerate(gt_inds)
    ]
    gt_inds = [
        inds.flatten() for inds in images_to_levels(gt_inds, num_level_anchors)
    ]
    labels = [label.flatten() for label in labels]
    places = torch.arange(batch_size * limit, device=labels[0].device)
    with torch.no_grad():
        loss_levels, = multi_apply(
            head.collect_loss_level_single,
            losses_cls,
            losses_bbox,
            gt_inds,
            labels_seq=places)
        min_levels = torch.stack(loss_levels, dim=0).min(dim=0)[1]
    losses_cls, losses_bbox, pos_inds = multi_apply(
        head.reweight_loss_single,
        losses_cls,
        losses_bbox,
        gt_inds,
        labels,
        list(range(len(losses_cls))),
        min_levels=min_levels)
    pos_recall = head.calculate_pos_recall(cls_scores, labels, pos_inds)

    # the number of negatives takes over where nothing is positive
    num_pos = torch.cat(pos_inds, 0).float().sum()
    avg_factor = num_pos + sum(num_neg) * (num_pos == 0).float()
    return dict(
        loss_cls=[loss / avg_factor for loss in losses_cls],
        loss_bbox=[loss / avg_factor for loss in losses_bbox],
        num_pos=num_pos / batch_size,
        pos_recall=pos_recall)
