"""Shapes that depend on no value, for devices that compile an operator anew
for every shape it meets.

What counts boxes is padded to a limit, and what lists indices becomes a mask.
"""
import torch

# The most ground truth boxes of one image, unless train_cfg says otherwise.
# COCO's fullest training image has 93.
GROUND_TRUTH_LIMIT = 128


def ground_truth_limit(train_cfg):
    """The most ground truth boxes that an image may have.

    Args:
        train_cfg (dict | None): A head's training config; its
            ``static_gt_limit``, if there is one, is the answer.

    Returns:
        int: The limit.
    """
    return (train_cfg or {}).get('static_gt_limit', GROUND_TRUTH_LIMIT)


def pad_boxes(boxes, limit):
    """Pad boxes to a fixed number with boxes that have no area.

    The boxes go by way of host memory: a copy there and back compiles
    nothing, while a copy of n rows on the device would for every new n.

    Args:
        boxes (Tensor): Shape (n, 4).
        limit (int): How many there are to be.

    Returns:
        tuple[Tensor]: The boxes, shape (limit, 4), and which of them are no
            padding, shape (limit, ).

    Raises:
        ValueError: If there are more boxes than the limit.
    """
    padded = _padded(boxes, limit)
    valid = torch.arange(limit) < boxes.size(0)
    return padded, valid.to(boxes.device)


def pad_ground_truth(boxes, labels, limit):
    """Pad the ground truth of an image to a fixed number of boxes.

    Args:
        boxes (Tensor): Shape (n, 4).
        labels (Tensor): Shape (n, ).
        limit (int): How many boxes there are to be.

    Returns:
        tuple[Tensor]: The boxes, shape (limit, 4), their labels, shape
            (limit, ), where padding has the label 0, and which of them are no
            padding, shape (limit, ).

    Raises:
        ValueError: If there are more boxes than the limit.
    """
    padded, valid = pad_boxes(boxes, limit)
    return padded, _padded(labels, limit), valid


def _padded(rows, limit):
    count = rows.size(0)
    if count > limit:
        raise ValueError(
            f'An image has {count} ground truth boxes, and shapes are static '
            f'up to {limit}. Set static_gt_limit={count} or more in the '
            f"head's train_cfg.")
    host = torch.zeros((limit, ) + tuple(rows.shape[1:]), dtype=rows.dtype)
    host[:count] = rows.detach().cpu()
    return host.to(rows.device)


def one_hot(labels, num_classes):
    """Which class each label names, asked without waiting for the device.

    Args:
        labels (Tensor): Shape (n, ).
        num_classes (int): How many classes there are.

    Returns:
        Tensor: Bool, shape (n, num_classes); a label that is no class, such
            as background, has a row without any.
    """
    classes = torch.arange(
        num_classes, dtype=labels.dtype, device=labels.device)
    return labels.unsqueeze(1) == classes


def masked_mean(values, mask):
    """The mean of the values under a mask; zero if it has none.

    Args:
        values (Tensor): Any shape.
        mask (Tensor): Bool, of the same shape.

    Returns:
        Tensor: A scalar.
    """
    kept = values.masked_fill(~mask, 0)
    return kept.sum() / mask.to(values.dtype).sum().clamp(min=1)
