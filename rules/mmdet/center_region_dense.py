def assign_dense(self, priors, gt_bboxes, gt_labels, gt_valid, ignored,
                 num_classes):
    """Assign as ``assign`` does, in shapes that depend on no value.

    What ``assign`` tells by lists of indices, a mask over all priors tells
    here, and ground truth is padded to a fixed number of boxes.

    Args:
        priors (Tensor): Shape (n, 4).
        gt_bboxes (Tensor): Padded ground truth boxes, shape (k, 4).
        gt_labels (Tensor): Their labels, shape (k, ).
        gt_valid (Tensor): Which of them are no padding, shape (k, ).
        ignored (Tensor | None): Boxes to be ignored, shape (m, 4), padded
            with boxes that have no area.
        num_classes (int): The number of classes.

    Returns:
        tuple[Tensor]: The ground truth that each prior is assigned to, shape
            (n, ): 1-based, 0 for background and -1 for what is ignored; and
            for which classes a prior lies in a shadow, shape
            (n, num_classes).
    """
    centers = (priors[:, 2:4] + priors[:, 0:2]) / 2
    iof_with_core = self.iou_calculator(
        priors, scale_boxes(gt_bboxes, self.pos_scale), mode='iof')
    iof_with_shadow = self.iou_calculator(
        priors, scale_boxes(gt_bboxes, self.neg_scale), mode='iof')
    in_core = (
        gt_valid & is_located_in(centers, gt_bboxes) &
        (iof_with_core > self.min_pos_iof))
    in_shadow = (
        gt_valid & (iof_with_shadow > self.min_pos_iof) & ~in_core)

    # Of several ground truths the one with the highest priority takes the
    # prior, and casts the others' cores into the shadow. Ranks are exact in
    # float, which every device can compare.
    ranks = self.get_gt_priorities(gt_bboxes).to(priors.dtype)
    taker = ranks.expand_as(iof_with_core).masked_fill(
        ~in_core, -1).max(dim=1)[1]
    numbers = torch.arange(gt_bboxes.size(0), device=taker.device)
    in_shadow = in_shadow | (in_core & (taker.unsqueeze(1) != numbers))
    gt_inds = (taker + 1).masked_fill(~in_core.any(dim=1), 0)
    if ignored is not None:
        ignored = scale_boxes(ignored, scale=self.ignore_gt_scale)
        gt_inds = gt_inds.masked_fill(
            is_located_in(centers, ignored).any(dim=1), -1)

    # A sum of zeros and ones above zero says that there is one.
    class_of_gt = one_hot(gt_labels, num_classes).to(priors.dtype)
    shadowed = torch.mm(in_shadow.to(priors.dtype), class_of_gt) > 0
    labels = gt_labels.index_select(0, (gt_inds - 1).clamp(min=0))
    own = one_hot(labels, num_classes) & (gt_inds > 0).unsqueeze(1)
    if self.foreground_dominate:
        return gt_inds, shadowed & ~own
    return gt_inds.masked_fill((shadowed & own).any(dim=1), 0), shadowed
