"""Counting on the host what the simulated chip counts of itself: operators, and their shapes.

So upstream, which no chip runs, can stand beside the port. It costs time, and is done in a run
of its own, whose losses nobody compares.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

#: Operators whose result's shape depends on the data, as the simulated chip has them; and
#: those for which that holds where an index is a mask.
DYNAMIC = {
    "nonzero",
    "masked_select",
    "_unique",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "unique_dim_consecutive",
    "repeat_interleave",
    "bincount",
}
BY_MASK = {"index", "index_put", "index_put_", "_index_put_impl_"}
#: Operators whose answer the host waits for.
WAITS = {"_local_scalar_dense", "equal"}
MASKS = (torch.bool, torch.uint8)


class HostCounters(TorchDispatchMode):
    """Counts over the stretches of a step that are the training's own; as ``ChipCounters``."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[Any] = set()
        self._on = False
        self._zero()

    def _zero(self) -> None:
        self._sum = {"op_calls": 0, "dynamic_shape_ops": 0, "host_syncs": 0, "new_signatures": 0}

    def start(self) -> None:
        """Count from here on."""
        if not self._on:
            self.__enter__()
            self._on = True

    def pause(self) -> None:
        """What follows does not count."""
        if self._on:
            self.__exit__(None, None, None)
            self._on = False

    def take(self) -> dict[str, int]:
        """The sum of the stretches, and zero again."""
        found = dict(self._sum)
        self._zero()
        return found

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        """Count one operator, and run it."""
        options = options or {}
        tensors = list(_tensors([*arguments, *options.values()]))
        name = function.overloadpacket.__name__
        dynamic = name in DYNAMIC or (name in BY_MASK and _by_mask(arguments))
        signature = (str(function), *((tensor.dtype, tuple(tensor.shape)) for tensor in tensors))
        self._sum["op_calls"] += 1
        self._sum["dynamic_shape_ops"] += dynamic
        self._sum["host_syncs"] += dynamic or name in WAITS
        self._sum["new_signatures"] += signature not in self._seen
        self._seen.add(signature)
        return function(*arguments, **options)


def _tensors(values: Any) -> Any:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _by_mask(arguments: Any) -> bool:
    indices = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], list) else []
    return any(index is not None and index.dtype in MASKS for index in indices)
