def assign_dense(self, priors, level_sizes, gt_bboxes, valid, ignored=None):
    """Assign as ``assign`` does, in shapes that depend on no value.

    Priors that are not valid take no part: upstream's callers leave them out
    before they assign, which makes as many shapes as there are images.

    Args:
        priors (Tensor): All priors, shape (n, 4).
        level_sizes (list[int]): How many of them each level has.
        gt_bboxes (Tensor): Padded ground truth boxes, shape (k, 4), k > 0;
            one without area is never assigned to.
        valid (Tensor): Which priors take part, bool, shape (n, ).
        ignored (Tensor | None): Boxes to be ignored, shape (m, 4), padded
            with boxes that have no area.

    Returns:
        Tensor: The ground truth that each prior is assigned to, shape (n, ):
            1-based, 0 for background, -1 for what is ignored.
    """
    priors = priors[:, :4]
    overlaps = self.iou_calculator(priors, gt_bboxes)
    centers = (priors[:, :2] + priors[:, 2:]) / 2.0
    gt_centers = (gt_bboxes[:, :2] + gt_bboxes[:, 2:]) / 2.0
    distances = (centers[:, None, :] -
                 gt_centers[None, :, :]).pow(2).sum(-1).sqrt()
    background = torch.zeros_like(priors[:, 0], dtype=torch.long)
    if ignored is not None and self.ignore_iof_thr > 0:
        iof = self.iou_calculator(priors, ignored, mode='iof')
        is_ignored = (iof.max(dim=1)[0] > self.ignore_iof_thr) & valid
        # As far away as upstream puts them, and nearer than invalid ones.
        distances = distances.masked_fill(is_ignored[:, None], 100000000)
        background = background.masked_fill(is_ignored, -1)
    distances = distances.masked_fill(~valid[:, None], float('inf'))

    candidates, start = [], 0
    for level in distances.split(level_sizes):
        if level.size(0) == 0:
            continue
        nearest = level.topk(
            min(self.topk, level.size(0)), dim=0, largest=False)[1]
        candidates.append(nearest + start)
        start += level.size(0)
    candidates = torch.cat(candidates)

    def of_candidates(values):
        """A value of each prior -> one of each candidate."""
        return values[:, None].expand_as(overlaps).gather(0, candidates)

    takes_part = of_candidates(valid)
    candidate_overlaps = overlaps.gather(0, candidates)
    center_x = of_candidates(centers[:, 0])
    center_y = of_candidates(centers[:, 1])
    to_sides = torch.stack([
        center_x - gt_bboxes[:, 0], center_y - gt_bboxes[:, 1],
        gt_bboxes[:, 2] - center_x, gt_bboxes[:, 3] - center_y
    ], dim=1)
    is_pos = (
        takes_part & (to_sides.min(dim=1)[0] > 0.01) &
        (candidate_overlaps >= self._overlap_thresholds(
            candidate_overlaps, takes_part)))

    # A prior of several boxes goes to the one that it overlaps most.
    lowest = float('-inf')
    best, winner = torch.full_like(overlaps, lowest).scatter(
        0, candidates,
        candidate_overlaps.masked_fill(~is_pos, lowest)).max(dim=1)
    return torch.where(best > lowest, winner + 1, background)

def _overlap_thresholds(self, overlaps, takes_part):
    """Mean and standard deviation of each box's candidates, added.

    Args:
        overlaps (Tensor): Shape (candidates, boxes).
        takes_part (Tensor): Which of them count, bool, of the same shape.

    Returns:
        Tensor: Shape (boxes, ); NaN for a box with a single candidate.
    """
    weights = takes_part.to(overlaps.dtype)
    count = weights.sum(0)
    mean = (overlaps * weights).sum(0) / count
    variance = ((overlaps - mean) * weights).pow(2).sum(0) / (count - 1)
    # Where all count, in the very operators that upstream uses.
    return torch.where(
        takes_part.all(0),
        overlaps.mean(0) + overlaps.std(0), mean + variance.sqrt())
