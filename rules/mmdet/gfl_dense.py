"""GFL's targets for all anchors, in shapes that depend on no value."""
import torch

from mmdet.utils.static_shapes import (ground_truth_limit, pad_boxes,
                                       pad_ground_truth)


def dense_targets(head, flat_anchors, inside_flags, level_sizes, gt_bboxes,
                  gt_labels, gt_bboxes_ignore):
    """The targets that `_get_target(s)_single` gives with `unmap_outputs`.

    Args:
        head (GFLHead): Whose assigner has `assign_dense`.
        flat_anchors (Tensor): Anchors of all levels, shape (n, 4).
        inside_flags (Tensor): Which of them count, bool, shape (n, ).
        level_sizes (list[int]): How many anchors each level has.
        gt_bboxes (Tensor): Ground truth boxes, shape (k, 4).
        gt_labels (Tensor | None): Their labels, shape (k, ); None for class 0.
        gt_bboxes_ignore (Tensor | None): Boxes to be ignored, shape (m, 4).

    Returns:
        tuple[Tensor]: anchors, labels, label_weights, bbox_targets,
            bbox_weights, and which anchors are positive and which negative,
            bool, shape (n, ), where upstream has lists of indices.

    Raises:
        ValueError: If there are more boxes than train_cfg's static_gt_limit.
    """
    if gt_labels is None:
        gt_labels = gt_bboxes.new_zeros(gt_bboxes.size(0), dtype=torch.long)
    limit = ground_truth_limit(head.train_cfg)
    ignored = None
    # Without ground truth nothing is ignored either, as upstream has it.
    if head.assigner.ignore_iof_thr > 0 and gt_bboxes.size(0) > 0 \
            and gt_bboxes_ignore is not None and gt_bboxes_ignore.numel() > 0:
        ignored, _ = pad_boxes(gt_bboxes_ignore, limit)
    gt_bboxes, gt_labels, _ = pad_ground_truth(gt_bboxes, gt_labels, limit)

    gt_inds = head.assigner.assign_dense(flat_anchors, level_sizes, gt_bboxes,
                                         inside_flags, ignored)
    positive = (gt_inds > 0) & inside_flags
    negative = (gt_inds == 0) & inside_flags
    assigned = (gt_inds - 1).clamp(min=0)
    is_positive = positive[:, None]
    nothing = torch.zeros_like(flat_anchors)
    pos_weight = head.train_cfg['pos_weight']
    label_weights = negative.float() + positive.float() * (
        1.0 if pos_weight <= 0 else pos_weight)
    labels = gt_labels.long().index_select(0, assigned)
    return (torch.where(inside_flags[:, None], flat_anchors, nothing),
            labels.masked_fill(~positive, head.num_classes), label_weights,
            torch.where(is_positive,
                        gt_bboxes.index_select(0, assigned).to(nothing),
                        nothing),
            nothing + is_positive.to(nothing), positive, negative)


def number_of(inds):
    """How many there are, and at least 1: indices as an int, a mask as a tensor."""
    if inds.dtype == torch.bool:
        return inds.float().sum().clamp(min=1)
    return max(inds.numel(), 1)


class DenseSampling:
    """What GFL's targets ask of a sampling result.

    Args:
        positive (Tensor): Which anchors are positive, bool, shape (n, ).
    """

    def __init__(self, positive):
        self.avg_factor = number_of(positive)
