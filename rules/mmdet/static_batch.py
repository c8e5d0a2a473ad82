"""Images on their canvas before they reach the device.

Channel order, type and normalization are computed on the device, image by
image: operators in the shape of every image, until the batch is padded. Padded
in host memory, all images have one shape.
"""
import torch
import torch.nn.functional as F


def pad_to_canvas(preprocessor, data, training):
    """Pad the images of a batch to the canvas that a config asks for.

    Args:
        preprocessor (DetDataPreprocessor): Has a ``StaticCanvas`` among its
            ``batch_augments`` if a canvas is asked for.
        data (dict): A batch from the data loader; stays as it is.
        training (bool): Whether it is trained on.

    Returns:
        tuple: The batch and the sizes of its images before, or None where
            nothing was padded: without a canvas, if padding would not hold
            what it holds elsewhere, or if an image does not fit, of which the
            canvas speaks itself.
    """
    canvas = _canvas(preprocessor) if training else None
    images = data['inputs']
    if canvas is None or not isinstance(images, (list, tuple)):
        return data, None
    sizes = [tuple(image.shape[-2:]) for image in images]
    if any(h > canvas[0] or w > canvas[1] for h, w in sizes):
        return data, None
    padded = [
        F.pad(image, (0, canvas[1] - w, 0, canvas[0] - h))
        for image, (h, w) in zip(images, sizes)
    ]
    return dict(data, inputs=padded), sizes


def clear_padding(preprocessor, inputs, sizes):
    """Put the value of padding where normalization changed it.

    Args:
        preprocessor (DetDataPreprocessor): Knows the value.
        inputs (Tensor): The normalized batch, shape (N, C, H, W).
        sizes (list[tuple] | None): As ``pad_to_canvas`` returned them.

    Returns:
        Tensor: The batch as it is when padded after normalization.
    """
    if sizes is None:
        return inputs
    height, width = torch.tensor(sizes).to(inputs.device).t()
    rows = torch.arange(inputs.size(2), device=inputs.device)
    columns = torch.arange(inputs.size(3), device=inputs.device)
    inside = ((rows.view(1, 1, -1, 1) < height.view(-1, 1, 1, 1)) &
              (columns.view(1, 1, 1, -1) < width.view(-1, 1, 1, 1)))
    return inputs.masked_fill(~inside, preprocessor.pad_value)


def _canvas(preprocessor):
    divisor = preprocessor.pad_size_divisor
    for augment in preprocessor.batch_augments or ():
        if (type(augment).__name__ == 'StaticCanvas'
                and augment.pad_val == preprocessor.pad_value
                and not any(side % divisor for side in augment.size)):
            return augment.size
    return None
