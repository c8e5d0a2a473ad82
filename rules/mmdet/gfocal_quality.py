"""What GFocalV2 adds to GFL: a score that knows how sharp the box's distributions are.

Li et al., Generalized Focal Loss V2, arXiv 2011.12885. Written for porter.
"""
import torch
import torch.nn as nn

from ..losses.utils import weight_reduce_loss

# What logarithms are kept above, as torch's own binary cross entropy does.
LEAST_LOG = -100.0


def log_of(probability):
    """The logarithm, at least LEAST_LOG; the gradient at 0 is 0, not NaN."""
    is_zero = probability <= 0
    logarithm = probability.masked_fill(is_zero, 1).log()
    return logarithm.masked_fill(is_zero, LEAST_LOG).clamp(min=LEAST_LOG)


def distribution_statistics(bbox_pred, reg_max, topk, add_mean):
    """The largest probabilities of each side's distribution, and their mean.

    Args:
        bbox_pred (Tensor): Logits, (N, 4 * (reg_max + 1), H, W).
        topk (int): Probabilities of each side.
        add_mean (bool): Whether their mean comes after them.

    Returns:
        Tensor: (N, 4 * topk, H, W), or (N, 4 * (topk + 1), H, W) with the mean.
    """
    images, _, height, width = bbox_pred.shape
    sides = bbox_pred.reshape(images, 4, reg_max + 1, height, width)
    largest = sides.softmax(dim=2).topk(topk, dim=2)[0]
    if add_mean:
        mean = largest.mean(dim=2, keepdim=True)
        largest = torch.cat([largest, mean], dim=2)
    return largest.reshape(images, -1, height, width)


def quality_predictor(topk, add_mean, channels):
    """Two 1x1 convolutions, statistics to a logit; parameters `0.*` and `2.*`."""
    return nn.Sequential(
        nn.Conv2d(4 * (topk + int(add_mean)), channels, 1),
        nn.ReLU(),
        nn.Conv2d(channels, 1, 1))


class ProbabilityFocalLoss(nn.Module):
    """Quality focal loss of probabilities.

    One formula serves positives and all others, whose quality is 0, so no tensor's
    shape depends on how many positives there are. The binary cross entropy is spelt out:
    torch's own refuses to run under autocast.

    Args:
        beta (float): Exponent of the distance between score and quality.
        reduction (str): `none`, `mean` or `sum`.
        loss_weight (float): Factor of the whole.
    """

    def __init__(self, beta=2.0, reduction='mean', loss_weight=1.0):
        super().__init__()
        self.beta = beta
        self.reduction = reduction
        self.loss_weight = loss_weight

    @classmethod
    def of(cls, config):
        """The loss that a config of `QualityFocalLoss` asks for.

        It may say `use_sigmoid=False`, as GFocalV2's own configs do, or
        `activated=True`, as mmdet 3 puts it: this head's scores are probabilities anyway.
        """
        settings = dict(config)
        kind = settings.pop('type')
        if getattr(kind, '__name__', kind) != 'QualityFocalLoss':
            raise ValueError(
                f'GFocalHead is trained by QualityFocalLoss, not by {kind}')
        for name in ('use_sigmoid', 'activated'):
            settings.pop(name, None)
        return cls(**settings)

    def forward(self,
                pred,
                target,
                weight=None,
                avg_factor=None,
                reduction_override=None):
        """The loss.

        Args:
            pred (Tensor): Probabilities, (N, C).
            target (tuple[Tensor]): Labels, (N,), and the quality of each, (N,).
            weight (Tensor, optional): (N,).
            avg_factor (float, optional): Divisor of the sum, with `mean`.
        """
        labels, quality = target
        pred = pred.float()
        classes = torch.arange(
            pred.size(1), dtype=labels.dtype, device=labels.device)
        wanted = (labels[:, None] == classes) * quality.float()[:, None]
        entropy = -(wanted * log_of(pred) + (1 - wanted) * log_of(1 - pred))
        loss = (entropy * (wanted - pred).abs().pow(self.beta)).sum(dim=1)
        return self.loss_weight * weight_reduce_loss(
            loss, weight, reduction_override or self.reduction, avg_factor)
