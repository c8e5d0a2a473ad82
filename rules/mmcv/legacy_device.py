"""The accelerator at hand: ${device} where there is one, else CUDA."""
import torch

try:
    import ${plugin}  # noqa: F401
    IS_${device_upper}_AVAILABLE = (
        hasattr(torch, '${device}') and torch.${device}.is_available())
except Exception:
    IS_${device_upper}_AVAILABLE = False

# What a `device` argument is by default.
DEVICE = '${device}' if IS_${device_upper}_AVAILABLE else 'cuda'

# The module with the streams, events and memory of that device.
accelerator = getattr(torch, DEVICE)


def place(device):
    """The torch.device that is meant by an index of the accelerator.

    Args:
        device (int | torch.device | str): An index, or a device already.

    Returns:
        torch.device: The device.
    """
    if isinstance(device, int):
        return torch.device(DEVICE, device)
    return torch.device(device)
