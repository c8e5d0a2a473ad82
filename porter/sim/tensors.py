"""``torch.<device>.LongTensor`` and its like, which code uses for ``isinstance``."""

from __future__ import annotations

from typing import Any

import torch

DTYPES = {
    "BoolTensor": torch.bool,
    "ByteTensor": torch.uint8,
    "CharTensor": torch.int8,
    "ShortTensor": torch.int16,
    "IntTensor": torch.int32,
    "LongTensor": torch.int64,
    "HalfTensor": torch.float16,
    "BFloat16Tensor": torch.bfloat16,
    "FloatTensor": torch.float32,
    "DoubleTensor": torch.float64,
}


class _TypedTensor(type):
    dtype: torch.dtype
    device_type: str

    def __instancecheck__(cls, value: object) -> bool:
        return (
            isinstance(value, torch.Tensor)
            and value.dtype == cls.dtype
            and value.device.type == cls.device_type
        )

    def __call__(cls, *arguments: Any) -> torch.Tensor:
        """Sizes make an uninitialized tensor, a sequence makes a tensor of its values."""
        if len(arguments) == 1 and not isinstance(arguments[0], int):
            return torch.as_tensor(arguments[0], dtype=cls.dtype, device=cls.device_type)
        return torch.empty(arguments, dtype=cls.dtype, device=cls.device_type)


def tensor_types(device: str) -> dict[str, type]:
    """Name -> type, such as ``LongTensor``."""
    members: dict[str, type] = {}
    for name, dtype in DTYPES.items():
        body = {"dtype": dtype, "device_type": device, "__module__": f"torch.{device}"}
        members[name] = _TypedTensor(name, (), body)
    return members
