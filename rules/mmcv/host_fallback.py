"""Ops that ``mmcv._ext`` has no ${device} kernel for, run on the host."""
from typing import Any, Callable, Iterable

import torch
from torch import Tensor

# The device type whose tensors the CPU kernels are fed with copies of.
HOST_SERVED_DEVICE = '${device}'

# What the CPU kernels do not know, or not all of them, is computed in float.
_COMPUTED_IN_FLOAT = (torch.float16, torch.bfloat16)


def on_host(op: Callable, writes: Iterable[Tensor] = ()) -> Callable:
    """Let an op run on copies in host memory if its tensors are on a device
    that it has no kernel for. On any other device it is called as it is.

    Args:
        op (Callable): A function of ``mmcv._ext``.
        writes (Iterable[Tensor]): The arguments that the op writes to. They
            get the results in place, in their own dtype.

    Returns:
        Callable: Takes what ``op`` takes and returns what ``op`` returns.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        tensors = [
            arg for arg in (*args, *kwargs.values()) if isinstance(arg, Tensor)
        ]
        served = [tensor for tensor in tensors if needs_host(tensor)]
        if not served:
            return op(*args, **kwargs)

        copies = {id(tensor): _host_copy(tensor) for tensor in tensors}
        result = op(
            *(copies.get(id(arg), arg) for arg in args),
            **{key: copies.get(id(arg), arg)
               for key, arg in kwargs.items()})
        for tensor in writes:
            tensor.copy_(copies[id(tensor)])
        if isinstance(result, Tensor):
            result = result.to(served[0].device)
        return result

    return call


def needs_host(tensor: Tensor) -> bool:
    """Whether a tensor is on the device that ops have no kernel for."""
    return tensor.device.type == HOST_SERVED_DEVICE


def _host_copy(tensor: Tensor) -> Tensor:
    """A contiguous copy in host memory, of a dtype that CPU kernels take."""
    copy = tensor.detach().contiguous().cpu()
    return copy.float() if copy.dtype in _COMPUTED_IN_FLOAT else copy
