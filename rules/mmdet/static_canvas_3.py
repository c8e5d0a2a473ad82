"""A canvas of one size for every batch, for devices that compile for each shape."""
import torch.nn as nn
import torch.nn.functional as F

from mmdet.registry import MODELS


@MODELS.register_module()
class StaticCanvas(nn.Module):
    """Pad a batch to a fixed size, as it is padded to its largest image.

    `pad_shape` stays as it was, so priors in the added area are as invalid as in the
    area that a batch adds: padding is no training signal. One of `batch_augments`.

    Args:
        size (tuple[int]): Height and width of the canvas.
        pad_val (float): What the added area holds.
    """

    def __init__(self, size, pad_val=0):
        super().__init__()
        self.size = tuple(size)
        self.pad_val = pad_val

    def forward(self, inputs, data_samples=None):
        """Pad the batch.

        Raises:
            ValueError: If it is higher or wider than the canvas.
        """
        height, width = inputs.shape[-2:]
        if height > self.size[0] or width > self.size[1]:
            raise ValueError(
                f'A batch of {height}x{width} (height x width, padded) does not '
                f'fit the static canvas of {self.size[0]}x{self.size[1]}: give '
                'StaticCanvas a larger size, or Resize a smaller scale.')
        added = (0, self.size[1] - width, 0, self.size[0] - height)
        inputs = F.pad(inputs, added, value=self.pad_val)
        for sample in data_samples or ():
            sample.set_metainfo(dict(batch_input_shape=self.size))
        return inputs, data_samples
