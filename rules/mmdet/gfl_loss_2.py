assert stride[0] == stride[1], 'h stride is not equal to w stride!'
# All anchors have a loss, zero but for positives: no shape depends on how many there are.
cls_score = cls_score.permute(0, 2, 3, 1).reshape(-1, self.cls_out_channels)
bbox_pred = bbox_pred.permute(0, 2, 3, 1).reshape(-1, 4 * (self.reg_max + 1))
labels = labels.reshape(-1)
targets = bbox_targets.reshape(-1, 4) / stride[0]
centers = self.anchor_center(anchors.reshape(-1, 4)) / stride[0]
boxes = distance2bbox(centers, self.integral(bbox_pred))

# FG cat_id: [0, num_classes -1], BG cat_id: num_classes
positive = ((labels >= 0) & (labels < self.num_classes)).float()
weights = cls_score.detach().sigmoid().max(dim=1)[0] * positive
quality = positive * bbox_overlaps(boxes.detach(), targets, is_aligned=True)

# regression loss
each_bbox = self.loss_bbox(boxes, targets, reduction_override='none')

# dfl loss
loss_dfl = self.loss_dfl(
    bbox_pred.reshape(-1, self.reg_max + 1),
    bbox2distance(centers, targets, self.reg_max).reshape(-1),
    weight=weights[:, None].expand(-1, 4).reshape(-1),
    avg_factor=4.0)

# cls (qfl) loss
loss_cls = self.loss_cls(
    cls_score, (labels, quality),
    weight=label_weights.reshape(-1),
    avg_factor=num_total_samples)
# Without any positive the losses are 0 / 1e-20, where they were 0 / 0.
return (loss_cls, (each_bbox * weights).sum(), loss_dfl,
        weights.sum().clamp(min=1e-20))
