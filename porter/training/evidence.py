"""What a step tells besides its losses: gradients, precision, devices, memory, counters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from porter.training.job import Job
from porter.training.seeds import seed_of

SKETCH_ROW = 1024
#: How far the noise on parameters that begin as constants moves what comes out of them: one such
#: as a bias by so much itself, the weights of a layer by so much in sum.
STIR_ONE, STIR_SUM = 0.01, 0.1
HALF = (torch.float16, torch.bfloat16)


class PrecisionProbe:
    """Counts the convolution and linear modules of a model that gave half-precision outputs.

    A module that runs several times in a step counts once.
    """

    def __init__(self, model: nn.Module) -> None:
        self._ran: dict[int, bool] = {}
        kinds = (nn.Linear, nn.modules.conv._ConvNd)
        for module in model.modules():
            if isinstance(module, kinds):
                module.register_forward_hook(self._see)

    def _see(self, module: nn.Module, inputs: Any, output: Any) -> None:
        half = isinstance(output, torch.Tensor) and output.dtype in HALF
        self._ran[id(module)] = half or self._ran.get(id(module), False)

    def take(self) -> tuple[int, int]:
        """Modules that gave half precision and modules that ran, since the last call."""
        low, ran = sum(self._ran.values()), len(self._ran)
        self._ran.clear()
        return low, ran


def gradient_norms(model: nn.Module, scale: float = 1.0) -> dict[str, float]:
    """Parameter -> L2 norm of its gradient; one wait for the device in all.

    Args:
        scale: AMP's loss scale, which is divided out.
    """
    grads = {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    if not grads:
        return {}
    norms = torch.stack([grad.detach().float().norm() for grad in grads.values()])
    return {name: value / scale for name, value in zip(grads, norms.tolist())}


def gradient_sketches(model: nn.Module, scale: float = 1.0) -> dict[str, tuple[float, float]]:
    """Parameter -> the sum of g[k] * exp(1.618j * k) over its gradient, real and imaginary part.

    What a norm does not tell: a sign, an order. Computed on the host, once in a run.

    Args:
        scale: AMP's loss scale, which is divided out.
    """
    return {
        name: _sketch(parameter.grad, scale)
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def _sketch(grad: torch.Tensor, scale: float) -> tuple[float, float]:
    """In rows, since exp(a + b) is exp(a) * exp(b): cosines of each element would take seconds."""
    values = grad.detach().cpu().double().reshape(-1) / scale
    values = nn.functional.pad(values, (0, -values.numel() % SKETCH_ROW)).reshape(-1, SKETCH_ROW)
    inner, outer = _turns(SKETCH_ROW, 1.618), _turns(len(values), 1.618 * SKETCH_ROW)
    found = (torch.complex(values @ inner.real, values @ inner.imag) * outer).sum()
    return float(found.real), float(found.imag)


def _turns(count: int, angle: float) -> torch.Tensor:
    angles = torch.arange(count, dtype=torch.float64) * angle
    return torch.complex(torch.cos(angles), torch.sin(angles))


def total_norm(norms: Mapping[str, float]) -> float:
    """The L2 norm over all gradients."""
    return math.sqrt(sum(value * value for value in norms.values()))


def host_values(values: Mapping[str, Any]) -> dict[str, float]:
    """Numbers and one-element tensors as floats; one wait for the device in all."""
    tensors = {name: v for name, v in values.items() if isinstance(v, torch.Tensor)}
    found: dict[str, float] = {}
    if tensors:
        parts = [value.detach().reshape(()).double() for value in tensors.values()]
        found = dict(zip(tensors, torch.stack(parts).tolist()))
    return {name: found.get(name, v) if name in found else float(v) for name, v in values.items()}


def devices_of(parameters: Iterable[torch.Tensor]) -> dict[str, int]:
    """Device, such as ``sdaa:0`` -> how many parameters are on it."""
    return dict(Counter(str(parameter.device) for parameter in parameters))


def memory_of(device: str) -> int:
    """Bytes held on the device, at most so far; 0 where none tells."""
    module = getattr(torch, device, None)
    tell = getattr(module, "max_memory_allocated", None)
    return int(tell()) if tell is not None and device != "cpu" else 0


def copy_to_host(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A copy of tensors on the host that later changes do not reach."""
    return {name: value.detach().cpu().clone() for name, value in state.items()}


def update_norms(
    now: Mapping[str, torch.Tensor], before: Mapping[str, torch.Tensor]
) -> dict[str, float]:
    """Parameter -> L2 norm of its change; computed on the host."""
    return {
        name: float((value.detach().cpu().double() - before[name].double()).norm())
        for name, value in now.items()
        if name in before
    }


def stir(state: Mapping[str, torch.Tensor], names: Iterable[str], seed: int) -> None:
    """Add a little noise to parameters whose elements are all the same; in place.

    A network begins with many of them: offsets of a deformable convolution at 0, the gains of
    normalizations at 1. Where everything is 0, swapped halves and lost terms look right.
    """
    for name in names:
        value = state[name]
        if value.is_floating_point() and bool((value == value.reshape(-1)[:1]).all()):
            generator = torch.Generator().manual_seed(seed_of("stir", seed, name))
            summed = value[0].numel() if value.dim() > 1 else 0
            size = STIR_SUM / summed**0.5 if summed else STIR_ONE
            value.add_(torch.randn(value.shape, generator=generator), alpha=size)


def counters_of(job: Job) -> Any:
    """What counts the operators of a job's steps."""
    if job.count:
        from porter.training.counting import HostCounters

        return HostCounters()
    return ChipCounters(simulated=bool(job.sim))


class ChipCounters:
    """The simulated chip's counters over the stretches of a step that are the training's own."""

    def __init__(self, simulated: bool) -> None:
        self._simulated = simulated
        self._sum: Counter[str] = Counter()

    def start(self) -> None:
        """Count from here on."""
        if self._simulated:
            self._read()

    def pause(self) -> None:
        """Add what was counted since ``start``; what follows does not count."""
        if self._simulated:
            self._sum.update(self._read())

    def take(self) -> dict[str, int] | None:
        """The sum of the stretches, and zero again; None if nothing is simulated."""
        if not self._simulated:
            return None
        found, self._sum = dict(self._sum), Counter()
        return found

    @staticmethod
    def _read() -> dict[str, int]:
        from dataclasses import asdict

        from porter.sim import counters

        return asdict(counters(reset=True))
