"""``torch.<device>``: the module that a plugin would register.

It has what mmengine, mmcv and mmdet call of ``torch.cuda``, and what the target's traits say
that the plugin has; what a trait denies is absent or fails as it does there.
"""

from __future__ import annotations

import sys
from collections import namedtuple
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import torch

from porter.sim.amp import amp_module
from porter.sim.native import Native
from porter.sim.spec import Spec
from porter.sim.streams import stream_members
from porter.sim.tensors import tensor_types

Properties = namedtuple("Properties", "name total_memory major minor multi_processor_count")


def device_module(spec: Spec, native: Native) -> ModuleType:
    """The module, with its submodules ``amp`` and what the traits add."""
    peaks = "peak-memory-statistics" in spec.traits
    module = (PeakDeviceModule if peaks else DeviceModule)(spec, native)
    members = stream_members(spec.device, native)
    if "own-typed-tensors" in spec.traits:
        members.update(tensor_types(spec.device))
    members["amp"] = amp_module(spec)
    sys.modules[members["amp"].__name__] = members["amp"]
    for name, value in members.items():
        setattr(module, name, value)
    return module


class DeviceModule(ModuleType):
    """Memory, random numbers, properties and the current device.

    Args:
        spec: What is simulated.
        native: The compiled chip.
    """

    def __init__(self, spec: Spec, native: Native) -> None:
        super().__init__(f"torch.{spec.device}", f"The simulated {spec.chip}.")
        self.__path__: list[str] = []
        self._spec, self._native = spec, native
        self.device = _device_context(native, self._index)

    def _index(self, device: Any = None) -> int:
        """The number of the device that a number, a name or nothing stands for."""
        index = device
        if device is not None and not isinstance(device, int):
            place = torch.device(device)
            if place.type != self._spec.device:
                raise ValueError(f"expected a {self._spec.device} device, not {place}")
            index = place.index
        if index is None or index < 0:
            return self._native.device()
        if index >= self._spec.profile.device_count:
            raise RuntimeError(f"invalid device ordinal {index}")
        return int(index)

    def device_of(self, tensor: torch.Tensor) -> Any:
        """Make a tensor's device the current one inside a ``with`` block."""
        return self.device(tensor.device if tensor.device.type == self._spec.device else None)

    def is_available(self) -> bool:
        """Whether there is a device."""
        return self._spec.profile.device_count > 0

    def is_initialized(self) -> bool:
        """Whether the device can be used; it always can."""
        return True

    def init(self) -> None:
        """Do nothing: the device is ready once it is installed."""

    _lazy_init = init

    def _is_in_bad_fork(self) -> bool:
        return False

    def device_count(self) -> int:
        """How many devices there are."""
        return self._spec.profile.device_count

    def current_device(self) -> int:
        """The calling thread's device."""
        return self._native.device()

    def set_device(self, device: Any) -> None:
        """Make a device the calling thread's current one."""
        self._native.set_device(self._index(device))

    def get_device_name(self, device: Any = None) -> str:
        """The chip's name, unless the trait ``device-name-missing`` says that this fails."""
        self._index(device)
        if "device-name-missing" in self._spec.traits:
            raise RuntimeError(f"torch.{self._spec.device}.get_device_name is not supported")
        return f"{self._spec.chip} (simulated)"

    def get_device_properties(self, device: Any = None) -> Properties:
        """Name, memory in bytes, and numbers that mean nothing here."""
        total = self._total()
        self._index(device)
        return Properties(f"{self._spec.chip} (simulated)", total, 0, 0, 1)

    def get_device_capability(self, device: Any = None) -> tuple[int, int]:
        """No capability: (0, 0)."""
        self._index(device)
        return (0, 0)

    def can_device_access_peer(self, device: Any, peer: Any) -> bool:
        """Whether one device can read another's memory: no."""
        return self._index(device) == self._index(peer)

    def synchronize(self, device: Any = None) -> None:
        """Wait for the device, which has always finished."""
        self._index(device)

    def is_bf16_supported(self) -> bool:
        """Whether autocast can use bfloat16 there."""
        return "bfloat16" in self._spec.amp_dtypes

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """The dtypes that autocast accepts."""
        return [getattr(torch, name) for name in self._spec.amp_dtypes]

    def empty_cache(self) -> None:
        """Do nothing: memory is given back at once."""

    def ipc_collect(self) -> None:
        """Do nothing: memory is not shared between processes."""

    def _total(self) -> int:
        limit = self._spec.profile.memory_limit_mib * 1024 * 1024
        return limit or 64 * 1024**3

    def memory_allocated(self, device: Any = None) -> int:
        """Bytes allocated now."""
        return self._native.memory(self._index(device))

    memory_reserved = memory_allocated

    def memory_stats(self, device: Any = None) -> dict[str, int]:
        """The figures under the names that ``torch.cuda`` gives them."""
        index = self._index(device)
        return {
            "allocated_bytes.all.current": self._native.memory(index),
            "allocated_bytes.all.peak": self._native.peak(index),
            "allocation.all.allocated": self._native.allocations(index),
        }

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        """Free and total bytes."""
        return self._total() - self.memory_allocated(device), self._total()

    def manual_seed(self, seed: int) -> None:
        """Seed the current device's generator."""
        self._native.seed(self._native.device(), int(seed))

    def manual_seed_all(self, seed: int) -> None:
        """Seed every device's generator."""
        for index in range(self.device_count()):
            self._native.seed(index, int(seed))

    def seed(self) -> int:
        """Seed the current device's generator with a number of its own choice."""
        chosen = int(torch.randint(2**62, ()).item())
        self.manual_seed(chosen)
        return chosen

    def seed_all(self) -> None:
        """Seed every device's generator alike with a number of its own choice."""
        self.manual_seed_all(self.seed())

    def initial_seed(self) -> int:
        """The seed of the current device's generator."""
        return self._native.initial_seed(self._native.device())

    def get_rng_state(self, device: Any = None) -> torch.Tensor:
        """The state of a device's generator, a CPU tensor of uint8."""
        return torch.ops.porter_sim.get_state(self._index(device))

    def set_rng_state(self, state: torch.Tensor, device: Any = None) -> None:
        """Put a device's generator in a state that ``get_rng_state`` returned."""
        torch.ops.porter_sim.set_state(self._index(device), state.cpu())

    def get_rng_state_all(self) -> list[torch.Tensor]:
        """The state of every device's generator."""
        return [self.get_rng_state(index) for index in range(self.device_count())]

    def set_rng_state_all(self, states: Iterable[torch.Tensor]) -> None:
        """Put every device's generator in its state."""
        for index, state in enumerate(states):
            self.set_rng_state(state, index)


class PeakDeviceModule(DeviceModule):
    """As plugins with the trait ``peak-memory-statistics`` have it."""

    def max_memory_allocated(self, device: Any = None) -> int:
        """Most bytes allocated since the peak was reset."""
        return self._native.peak(self._index(device))

    max_memory_reserved = max_memory_allocated

    def reset_peak_memory_stats(self, device: Any = None) -> None:
        """Start the peak again at what is allocated now."""
        self._native.reset_peak(self._index(device))

    reset_max_memory_allocated = reset_peak_memory_stats


def _device_context(native: Native, index_of: Callable[[Any], int]) -> type:
    class device:
        """Make a device the current one inside a ``with`` block."""

        def __init__(self, device: Any) -> None:
            self.index, self.before = index_of(device), -1

        def __enter__(self) -> None:
            self.before = native.device()
            native.set_device(self.index)

        def __exit__(self, *problem: object) -> None:
            native.set_device(self.before)

    return device
