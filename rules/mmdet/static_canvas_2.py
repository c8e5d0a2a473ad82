"""A canvas of one size for every batch, for devices that compile for each shape."""
import numpy as np

from ..builder import PIPELINES


@PIPELINES.register_module()
class StaticCanvas:
    """Pad images to a fixed size, as a batch is padded to its largest image.

    `pad_shape` stays as it was, so anchors in the added area are as invalid as in the
    area that a batch adds: padding is no training signal. It comes after `Pad`.

    Args:
        size (tuple[int]): Height and width of the canvas.
        pad_val (float): What the added area holds.
    """

    def __init__(self, size, pad_val=0):
        self.size = tuple(size)
        self.pad_val = pad_val

    def __call__(self, results):
        """Pad the images.

        Raises:
            ValueError: If one is higher or wider than the canvas.
        """
        for key in results.get('img_fields', ['img']):
            results[key] = self._padded(results[key])
        return results

    def _padded(self, image):
        height, width = image.shape[:2]
        if height > self.size[0] or width > self.size[1]:
            raise ValueError(
                f'An image of {height}x{width} (height x width, padded) does not '
                f'fit the static canvas of {self.size[0]}x{self.size[1]}: give '
                'StaticCanvas a larger size, or Resize a smaller img_scale.')
        canvas = np.full(
            self.size + image.shape[2:], self.pad_val, dtype=image.dtype)
        canvas[:height, :width] = image
        return canvas

    def __repr__(self):
        return f'{type(self).__name__}(size={self.size}, pad_val={self.pad_val})'
