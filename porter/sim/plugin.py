"""The vendor's plugin, as far as code that imports it notices.

The stand-ins are put into ``sys.modules`` by ``install`` and are nowhere on disk, so they can
be imported in a simulated run only. A name that is not here raises ``AttributeError``, which
is what mmengine probes for.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from porter.sim.spec import Spec

VERSION = "0+simulated"

#: The SoC number from which mmengine trusts an NPU with full precision.
FULL_PRECISION_SOC = 220


def add_plugin(spec: Spec, device: ModuleType) -> ModuleType:
    """Make the plugin's stand-in importable.

    Args:
        device: The module ``torch.<device>``.
    """
    plugin = _module(spec.plugin, f"Stands in for {spec.plugin} in a simulated run.")
    plugin.__dict__["__version__"] = VERSION
    _child(plugin, "amp", device.amp)
    _child(plugin, spec.device, device)
    if spec.device == "npu":
        _complete_npu(plugin, device)
    if spec.amp_module.startswith(f"{spec.plugin}."):
        _place(spec.amp_module, device.amp)
    return plugin


def _complete_npu(plugin: ModuleType, device: Any) -> None:
    from porter.sim.deform import npu_deformable_conv2d, npu_deformable_conv2dbk

    utils = _module(f"{plugin.__name__}.npu.utils", "What mmengine asks of the chip.")
    _set(utils, get_soc_version=lambda: FULL_PRECISION_SOC)
    _set(device, utils=utils, set_compile_mode=_set_compile_mode, native_device="npu")
    _set(plugin, npu_deformable_conv2d=npu_deformable_conv2d)
    _set(plugin, npu_deformable_conv2dbk=npu_deformable_conv2dbk)


def _set_compile_mode(jit_compile: bool = False) -> None:
    """Do nothing: there is no compiler to choose a mode of."""


def _set(module: Any, **members: object) -> None:
    for name, value in members.items():
        setattr(module, name, value)


def _child(parent: ModuleType, name: str, module: ModuleType) -> None:
    setattr(parent, name, module)
    sys.modules[f"{parent.__name__}.{name}"] = module


def _place(name: str, module: ModuleType) -> None:
    """Make a module importable under a dotted name, and what is missing above it."""
    above, _, last = name.rpartition(".")
    if above and above not in sys.modules:
        _place(above, _module(above, f"Holds {last}."))
    if above:
        _child(sys.modules[above], last, module)


def _module(name: str, about: str) -> ModuleType:
    module = ModuleType(name, about)
    module.__spec__ = ModuleSpec(name, None, is_package=True)
    module.__path__ = []
    sys.modules[name] = module
    return module
