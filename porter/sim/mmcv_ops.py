"""mmcv operators that the vendor ships kernels for, served by mmcv's CPU kernels.

mmcv's compiled module asks its own dispatcher for a kernel by device type and finds none for
a simulated device: "nms_impl: implementation for device sdaa:0 not found". For the operators
that a target lists under ``vendor_mmcv_ops`` the module's functions are wrapped, when it is
imported, so that they see CPU tensors over the device's memory.
"""

from __future__ import annotations

import functools
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from porter.errors import TargetFileError
from porter.sim.clones import misread, remember_clones
from porter.sim.native import Native
from porter.sim.spec import Spec

EXTENSION = "mmcv._ext"


def serve_mmcv_ops(spec: Spec, native: Native) -> None:
    """Wrap the vendor's operators when mmcv's compiled module is imported."""
    if spec.profile.clone_only_mmcv_ops:
        remember_clones(spec.device)
    if spec.profile.vendor_mmcv_ops:
        sys.meta_path.insert(0, _Finder(spec, native))


class _Finder:
    """Finds ``mmcv._ext`` as the others do, and has its loader finish with the wrapping."""

    def __init__(self, spec: Spec, native: Native) -> None:
        self._spec, self._native = spec, native

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of ``mmcv._ext``; None for every other module."""
        if name != EXTENSION:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path, target)
        if found and found.loader:
            wrapped: Any = _Loader(found.loader, self._spec, self._native)
            found.loader = wrapped
        return found


class _Loader:
    def __init__(self, inner: Any, spec: Spec, native: Native) -> None:
        self._inner, self._spec, self._native = inner, spec, native

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """What the module's own loader creates."""
        module: ModuleType | None = self._inner.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then wrap the vendor's operators in it."""
        self._inner.exec_module(module)
        wrap_ops(module, self._spec, self._native)


def wrap_ops(module: ModuleType, spec: Spec, native: Native) -> None:
    """Replace the vendor's operators in mmcv's compiled module.

    A target lists the operators of the mmcv that its vendor built; mmcv 1.x has fewer.

    Raises:
        TargetFileError: If an entry of ``vendor_mmcv_ops`` names no function of the module.
    """
    for op in spec.profile.vendor_mmcv_ops:
        names = [name for name in vars(module) if belongs_to(name, op)]
        if not names and is_old():
            continue
        if not names:
            raise TargetFileError(
                f"{spec.path}: simulate.vendor_mmcv_ops: mmcv has no operator {op!r}",
                hint="Name it as mmcv._ext does, without _forward and _backward.",
            )
        for name in names:
            served = _on_host(getattr(module, name), spec.device, native)
            # A kernel's backward is given gradients, which nobody else holds.
            if op in spec.profile.clone_only_mmcv_ops and not name.endswith("_backward"):
                served = misread(served, spec.device)
            setattr(module, name, served)


def is_old() -> bool:
    """Whether the mmcv of this process is of the releases before 2.0."""
    return str(getattr(sys.modules.get("mmcv"), "__version__", "")).startswith("1.")


def belongs_to(function: str, op: str) -> bool:
    """Whether a function of ``mmcv._ext`` carries out an operator, forward or backward."""
    return function == op or function.startswith((f"{op}_forward", f"{op}_backward"))


def _on_host(function: Callable[..., Any], device: str, native: Native) -> Callable[..., Any]:
    """The function, run on CPU tensors that share the memory of its device tensors."""
    import torch

    def host(value: Any) -> Any:
        return torch.ops.porter_sim.host(value) if isinstance(value, torch.Tensor) else value

    def back(value: Any, place: torch.device) -> Any:
        if isinstance(value, torch.Tensor):
            return value.to(place)
        return (
            type(value)(back(item, place) for item in value)
            if isinstance(value, (list, tuple))
            else value
        )

    @functools.wraps(function)
    def served(*arguments: Any, **options: Any) -> Any:
        tensors = [v for v in (*arguments, *options.values()) if isinstance(v, torch.Tensor)]
        places = {tensor.device for tensor in tensors if tensor.device.type == device}
        if not places:
            return function(*arguments, **options)
        if len({tensor.device for tensor in tensors}) > 1:
            raise RuntimeError(
                f"{function.__name__}: tensors on {sorted(map(str, places))} and elsewhere"
            )
        native.count_foreign(dynamic=function.__name__.startswith("nms"))
        with torch.no_grad():
            result = function(*map(host, arguments), **{k: host(v) for k, v in options.items()})
        return back(result, places.pop())

    return served
