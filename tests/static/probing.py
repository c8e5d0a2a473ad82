"""What the probes of static shapes share: a stand-in for operators, and what watches a step.

A probe is run in a child, with the packages it asks on the path; this is imported beside it.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

DYNAMIC = ("nonzero", "masked_select", "_unique2", "unique_dim", "repeat_interleave")
BY_MASK = ("index", "index_put", "index_put_", "_index_put_impl_")
SYNC = ("_local_scalar_dense", "equal", "is_nonzero")


class Stand(types.ModuleType):
    """Has every operator; none is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


def modern() -> bool:
    """Whether the mmdet on the path is of the third generation."""
    import mmdet

    return int(mmdet.__version__.split(".")[0]) >= 3


class Watch(TorchDispatchMode):
    """Counts as the simulated chip does."""

    def __init__(self) -> None:
        super().__init__()
        self.known: set[Any] = set()
        self.new: list[str] = []
        self.dynamic: list[str] = []
        self.syncs: list[str] = []
        self.sums: list[str] = []

    def forget(self) -> None:
        """Begin a step: what is known stays known."""
        self.new, self.dynamic, self.syncs, self.sums = [], [], [], []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        tensors = list(flat((args, kwargs or {})))
        signature = (str(func), *((tuple(each.shape), each.dtype) for each in tensors))
        if signature not in self.known:
            self.known.add(signature)
            self.new.append(str(signature))
        masked = any(each.dtype in (torch.bool, torch.uint8) for each in tensors[1:])
        if name in DYNAMIC or (name in BY_MASK and masked):
            self.dynamic.append(name)
        if name in SYNC:
            self.syncs.append(name)
        if name == "sum" and tensors[0].dtype in (torch.bool, torch.int64):
            self.sums.append(str(signature))
        return func(*args, **(kwargs or {}))


def flat(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from flat(item)
    elif isinstance(value, dict):
        yield from flat(list(value.values()))


def on_host() -> None:
    """Padding is made in host memory; here, where all is, it is told apart by its name."""
    from torch.utils._python_dispatch import _disable_current_modes

    try:
        from mmdet.utils import static_shapes
    except ImportError:  # upstream has none
        return
    padded = static_shapes._padded

    def unwatched(*args: Any) -> Any:
        with _disable_current_modes():
            return padded(*args)

    static_shapes._padded = unwatched
